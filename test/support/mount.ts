import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestCluster } from "./cluster.ts";
import { type Child, sheepfsBinary, start, TemporaryFolder } from "./process.ts";

/** Why nothing can be mounted here, or null: for `test.skipIf` with its reason printed. */
export const cannotMount: string | null = !existsSync("/dev/fuse")
  ? "no /dev/fuse on this machine"
  : process.getuid?.() !== 0
    ? "not root"
    : null;

export interface MountOptions {
  /** Further arguments of `sheepfs mount`. */
  readonly args?: readonly string[];
  /** Path of the program, if not the one that is tested everywhere. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A cluster mounted by a child process; unmounted when disposed, whatever happened. */
export class TestMount implements AsyncDisposable {
  readonly path: string;
  readonly child: Child;
  readonly #folder: TemporaryFolder;

  constructor(folder: TemporaryFolder, path: string, child: Child) {
    this.#folder = folder;
    this.path = path;
    this.child = child;
    mounted.add(path);
  }

  /** Path of a file in it. */
  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** What `echo NAME > vdi/mount` does. */
  attach(name: string): void {
    writeFileSync(this.file("vdi", "mount"), `${name}\n`);
  }

  detach(name: string): void {
    writeFileSync(this.file("vdi", "unmount"), `${name}\n`);
  }

  /** The process that serves now; another one after it was killed. */
  get serverPid(): number {
    const pid = serverOf(this.child.pid);
    if (pid === null) throw new Error(`no server of ${this.path}`);
    return pid;
  }

  /** Kills the process that serves, and returns when another one has its place. */
  async killServer(): Promise<void> {
    const before = this.serverPid;
    const line = "again";
    const count = this.child.stderr.split(line).length;
    process.kill(before, "SIGKILL");
    await this.child.until(
      ({ stderr }) => (stderr.split(line).length > count ? true : null),
      "successor",
    );
  }

  /** Kills everything that serves the mount, which is dead then. */
  async kill(): Promise<void> {
    const server = this.serverPid;
    this.child.kill("SIGKILL");
    process.kill(server, "SIGKILL");
    await this.child.exit();
    while (existsSync(`/proc/${server}/exe`)) await Bun.sleep(5);
  }

  /** Ends the daemon as SIGTERM does. @returns its exit code */
  async stop(): Promise<number> {
    this.child.kill("SIGTERM");
    return await this.child.exit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.child.running) await this.stop();
    } catch (error) {
      // The test has failed or will: say why, and leave nothing mounted.
      console.error(error);
    }
    tearDown(this.path);
    await this.child[Symbol.asyncDispose]();
    mounted.delete(this.path);
    rmdirSync(this.path);
    this.#folder[Symbol.dispose]();
  }
}

/** The server that a keeper has started last. */
function serverOf(keeper: number): number | null {
  const path = `/proc/${keeper}/task/${keeper}/children`;
  const pids = readFileSync(path, "utf8").trim().split(" ").map(Number);
  return pids.findLast((pid) => pid > 0 && existsSync(`/proc/${pid}/exe`)) ?? null;
}

/** Mounts in a child process and returns when the mount is usable. */
export async function mountSheepfs(
  cluster: TestCluster,
  options: MountOptions = {},
): Promise<TestMount> {
  const folder = new TemporaryFolder();
  const path = join(folder.path, "mnt");
  mkdirSync(path);
  const line = ["mount", path, "-s", cluster.address, "-f", ...(options.args ?? [])];
  const program = options.program ?? (await sheepfsBinary());
  const env = options.env === undefined ? {} : { env: options.env };
  const mount = new TestMount(folder, path, start([program, ...line], env));
  try {
    await mount.child.until((child) => (child.stderr.includes(" on /") ? true : null), "mount");
    return mount;
  } catch (error) {
    await mount[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether something is mounted on this path. */
export function isMounted(path: string): boolean {
  return deviceOf(path) !== null;
}

const mounted = new Set<string>();

// A test process that dies of its own timeout disposes nothing.
process.on("exit", () => {
  for (const path of mounted) tearDown(path);
});

/** Takes a mount away even when its daemon hangs: requests that wait are aborted first. */
export function tearDown(path: string): void {
  const device = deviceOf(path);
  if (device === null) return;
  const abort = `/sys/fs/fuse/connections/${device.split(":")[1]}/abort`;
  if (existsSync(abort)) writeFileSync(abort, "1");
  spawnSync("umount", ["-l", path]);
}

function deviceOf(path: string): string | null {
  const rows = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const row = rows.map((line) => line.split(" ")).find((fields) => fields[4] === path);
  return row?.[2] ?? null;
}
