import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { freePort } from "../../support/ports.ts";
import { start, TemporaryFolder } from "../../support/process.ts";
import { memoryFolder } from "../machine.ts";
import { fileBytes, type ServedFile } from "./load.ts";

/** A server of files that is measured like ours. */
export interface WebPeer extends ServedFile {
  readonly title: string;
  /** Its first process; the others are its children. */
  readonly pid: number;
  /** Whether a PUT with Content-Range writes that range and nothing else. */
  readonly writesRanges: boolean;
}

interface PeerProgram {
  readonly title: string;
  readonly program: string;
  readonly writesRanges: boolean;
  /** Writes what it needs to the folder. @returns its command line */
  command(where: Place): readonly string[];
}

interface Place {
  /** What is served. */
  readonly root: string;
  /** For everything else. */
  readonly own: string;
  readonly port: number;
}

const apacheModules = "/usr/lib/apache2/modules";
const startTimeoutMs = 10_000;

const programs: readonly PeerProgram[] = [
  { title: "nginx", program: "nginx", writesRanges: false, command: nginx },
  { title: "rclone serve webdav", program: "rclone", writesRanges: false, command: rclone },
  { title: "Apache mod_dav", program: "apache2", writesRanges: true, command: apache },
];

/** All that are installed, over files in memory. */
export async function startWebPeers(stack: AsyncDisposableStack): Promise<readonly WebPeer[]> {
  const folder = stack.use(new TemporaryFolder(memoryFolder));
  const root = join(folder.path, "root");
  mkdirSync(root);
  writeData(join(root, "data"));
  // Apache gives root up.
  for (const path of [folder.path, root]) chmodSync(path, 0o777);
  chmodSync(join(root, "data"), 0o666);
  const peers: WebPeer[] = [];
  for (const one of programs) {
    const path = Bun.which(one.program, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` });
    if (path === null) {
      console.log(`${one.title}: not installed here`);
      continue;
    }
    const own = join(folder.path, one.program);
    mkdirSync(own);
    chmodSync(own, 0o777);
    const port = await freePort();
    const [, ...args] = one.command({ root, own, port });
    const child = stack.use(start([path, ...args], { cwd: "/" }));
    const file = { port, path: "/data", uploadPath: `/upload-${one.program}` };
    peers.push({ ...file, title: one.title, pid: child.pid, writesRanges: one.writesRanges });
    await answers(port, () => child.running, one.title);
    stack.defer(() => endPeer(child));
  }
  return peers;
}

/** As it is asked to: its children end with it, which they would not if it were killed. */
async function endPeer(child: ReturnType<typeof start>): Promise<void> {
  child.kill("SIGTERM");
  await child.exit();
}

/** Bytes that are there: a hole would be read from nowhere. */
function writeData(path: string): void {
  const piece = Buffer.alloc(4 << 20, "sheep");
  const file = openSync(path, "w");
  for (let at = 0; at < fileBytes; at += piece.length) writeSync(file, piece);
  closeSync(file);
}

async function answers(port: number, running: () => boolean, title: string): Promise<void> {
  const endMs = performance.now() + startTimeoutMs;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/data`, { method: "HEAD" }).catch(
      () => null,
    );
    if (answer?.status === 200) return;
    if (!running() || performance.now() > endMs) throw new Error(`${title} did not start`);
    await Bun.sleep(30);
  }
}

/** One worker: the load has the other processor. Everything set as its manual has it for speed. */
function nginx({ root, own, port }: Place): readonly string[] {
  const config = join(own, "nginx.conf");
  writeFileSync(
    config,
    `${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${own}/pid;
error_log ${own}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=16;
  client_max_body_size 0;
  client_body_temp_path ${own}/body;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    dav_methods PUT;
  }
}
`,
  );
  return ["nginx", "-c", config, "-p", own, "-e", join(own, "error.log")];
}

/** Without reading ahead, which reads 16 MiB for each range: 30 times as fast for small ones. */
function rclone({ root, port }: Place): readonly string[] {
  const address = ["--addr", `127.0.0.1:${port}`];
  return ["rclone", "serve", "webdav", root, ...address, "--buffer-size", "0"];
}

function apache({ root, own, port }: Place): readonly string[] {
  const config = join(own, "apache.conf");
  const modules = ["mpm_event", "authz_core", "dav", "dav_fs"];
  const load = modules
    .filter((name) => existsSync(`${apacheModules}/mod_${name}.so`))
    .map((name) => `LoadModule ${name}_module ${apacheModules}/mod_${name}.so`);
  writeFileSync(
    config,
    `ServerName 127.0.0.1
ServerRoot ${own}
Listen 127.0.0.1:${port}
${load.join("\n")}
PidFile ${own}/pid
ErrorLog ${own}/error.log
User www-data
Group www-data
DocumentRoot ${root}
DavLockDB ${own}/locks
EnableSendfile On
MaxKeepAliveRequests 0
ThreadsPerChild 64
MaxRequestWorkers 256
LimitRequestBody 0
<Directory ${root}>
  Dav On
  Require all granted
</Directory>
`,
  );
  return ["apache2", "-f", config, "-D", "FOREGROUND"];
}
