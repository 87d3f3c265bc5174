// `npm run demo`: a cluster, a mount and a file system on a volume, shown step by step with each
// command and its real output. On a terminal it then stays until Ctrl-C.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { build } from "../build.ts";
import { installPackages, needs } from "./packages.ts";

const root = join(import.meta.dirname, "..");
const colours = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
const startTimeoutMs = 20_000;

/** The demo was interrupted: cleaning up is all that is left to do. */
class Interrupted extends Error {}

let interrupted = false;
let wake: () => void = () => {};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interrupted = true;
    wake();
  });
}

/** Where everything is; in one folder that is removed at the end. */
class Stage implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "sheepfs-demo-"));
  readonly mount = join(this.folder, "mnt");
  readonly disk = join(this.folder, "disk");
  readonly #sheepfs: string;
  #sheep: Bun.Subprocess | null = null;

  constructor(sheepfs: string) {
    this.#sheepfs = sheepfs;
    mkdirSync(this.mount);
    mkdirSync(this.disk);
  }

  /** Starts the embedded sheep. @returns its address */
  async startSheep(): Promise<string> {
    const dir = join(this.folder, "sheep");
    say(`$ sheepfs sheep --dir ${dir} --listen 127.0.0.1:0 &`);
    const sheep = Bun.spawn({
      cmd: [this.#sheepfs, "sheep", "--dir", dir, "--listen", "127.0.0.1:0"],
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      env: { ...process.env, SHEEPFS_LOG: "warn" },
      // Ctrl-C is for the demo, which ends the sheep last.
      detached: true,
    });
    this.#sheep = sheep;
    const line = await firstLine(sheep.stdout);
    console.log(line);
    const address = /\S+:[0-9]+$/.exec(line)?.[0];
    if (address === undefined) throw new Error("the embedded sheep did not start");
    return address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    quietly(["umount", this.disk]);
    if (!quietly([this.#sheepfs, "umount", this.mount])) quietly(["umount", "-l", this.mount]);
    this.#sheep?.kill("SIGTERM");
    await this.#sheep?.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Shows a command and runs it in the mount, with `sheepfs` meaning the one just built. */
function show(stage: Stage, command: string): string {
  if (interrupted) throw new Interrupted();
  say(`$ ${command}`);
  const run = spawnSync("sh", ["-c", command], {
    cwd: stage.mount,
    env: { ...process.env, PATH: `${join(root, "dist")}:${process.env["PATH"]}:/usr/sbin:/sbin` },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = `${run.stdout}${run.stderr}`.trimEnd();
  if (output !== "") console.log(output);
  if (interrupted) throw new Interrupted();
  if (run.status !== 0) throw new Error(`'${command}' ended with exit code ${run.status}`);
  return run.stdout;
}

function say(command: string): void {
  console.log(colours ? `\u001b[1m${command}\u001b[0m` : command);
}

function explain(text: string): void {
  console.log(`\n# ${text}`);
}

function quietly([name = "", ...args]: readonly string[]): boolean {
  return spawnSync(name, args, { cwd: "/", stdio: "ignore" }).status === 0;
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  const late = Bun.sleep(startTimeoutMs).then(() => null);
  const reader = stream.getReader();
  while (!text.includes("\n")) {
    const next = await Promise.race([reader.read(), late]);
    if (next === null || next.done) break;
    text += decoder.decode(next.value, { stream: true });
  }
  reader.releaseLock();
  return text.split("\n")[0] ?? "";
}

async function perform(stage: Stage): Promise<void> {
  explain("A sheep of our own on an empty directory: a cluster of one node, formatted.");
  const address = await stage.startSheep();
  explain("A virtual disk in it, then the cluster as a directory.");
  show(stage, `sheepfs vdi create test --size 256M -s ${address}`);
  show(stage, `sheepfs mount ${stage.mount} -s ${address} --log-file ${stage.folder}/log`);
  show(stage, "ls");
  show(stage, "cat cluster/info");
  show(stage, "cat vdi/list");
  explain("Attach the disk: its bytes are a file.");
  show(stage, "echo test > vdi/mount");
  show(stage, "ls -lh volume");
  explain("A file system on it, through a loop device.");
  show(stage, "mkfs.ext4 -q -F volume/test");
  show(stage, `mount -o loop volume/test ${stage.disk}`);
  show(stage, `echo 'The sheep keep it.' > ${stage.disk}/hello.txt`);
  show(stage, `cp -r ${join(root, "src")} ${stage.disk}/`);
  const before = show(stage, checksum(stage));
  show(stage, `df -h ${stage.disk}`);
  show(stage, `umount ${stage.disk}`);
  explain("The file system is clean, and after the disk was detached its files are still there.");
  show(stage, "e2fsck -f -n volume/test");
  show(stage, "echo test > vdi/unmount");
  show(stage, "echo test > vdi/mount");
  show(stage, `mount -o loop,ro volume/test ${stage.disk}`);
  show(stage, `cat ${stage.disk}/hello.txt`);
  const after = show(stage, checksum(stage));
  if (after !== before) throw new Error("the files are not what was written");
  show(stage, "cat vdi/list");
  show(stage, "cat vdi/mount");
  show(stage, `umount ${stage.disk}`);
}

function checksum(stage: Stage): string {
  return `cd ${stage.disk} && find . -type f | sort | xargs cat | sha256sum`;
}

async function stay(stage: Stage): Promise<void> {
  const volume = join(stage.mount, "volume", "test");
  console.log(`
It stays mounted on ${stage.mount} until Ctrl-C. In another terminal, try:

  cd ${stage.mount}
  cat node/list cluster/info        the cluster
  mount -o loop volume/test /mnt    the file system that was made (umount it before Ctrl-C)
  qemu-system-x86_64 -drive file=${volume},format=raw,cache=none
                                    a machine on it
  ${relative(process.cwd(), join(root, "dist", "sheepfs"))} --help               the program`);
  await new Promise<void>((resolve) => {
    wake = resolve;
    if (interrupted) resolve();
  });
}

async function main(): Promise<number> {
  await installPackages(needs.demo);
  explain("Building dist/sheepfs");
  const binary = join(root, "dist", "sheepfs");
  mkdirSync(join(root, "dist"), { recursive: true });
  await build(binary);
  try {
    await using stage = new Stage(binary);
    await perform(stage);
    if (process.stdout.isTTY && process.stdin.isTTY) await stay(stage);
    explain("Unmounting and removing everything.");
  } catch (error) {
    if (error instanceof Interrupted) return 130;
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
  return 0;
}

process.exit(await main());
