import { existsSync, mkdirSync, statfsSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, run, start, TemporaryFolder } from "../support/process.ts";

/** A file that is served by somebody, to be measured like ours. */
export interface Peer extends AsyncDisposable {
  readonly path: string;
}

const startTimeoutMs = 10_000;

/** A file that a program serves on a mountpoint until it is ended. */
class ServedFile implements Peer {
  readonly path: string;
  readonly #folder: TemporaryFolder;
  readonly #child: Child;
  readonly #mountpoint: string;

  constructor(folder: TemporaryFolder, child: Child, places: { path: string; mountpoint: string }) {
    this.#folder = folder;
    this.#child = child;
    this.path = places.path;
    this.#mountpoint = places.mountpoint;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await run(["umount", "-l", this.#mountpoint]);
    await this.#child[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** `nbdfuse` over nbdkit's memory; null where they are not installed. */
export async function startNbdfuse(bytes: number): Promise<Peer | null> {
  if (Bun.which("nbdfuse") === null || Bun.which("nbdkit") === null) return null;
  const folder = new TemporaryFolder();
  const mountpoint = join(folder.path, "mnt");
  mkdirSync(mountpoint);
  const path = join(mountpoint, "disk");
  const server = ["[", "nbdkit", "--exit-with-parent", "memory", String(bytes), "]"];
  const child = start(["nbdfuse", path, ...server], { cwd: "/" });
  await served(child, () => existsSync(path));
  return new ServedFile(folder, child, { path, mountpoint });
}

/** The FUSE export of `qemu-storage-daemon` on a file in memory; null where it is not installed. */
export async function startQemuExport(bytes: number): Promise<Peer | null> {
  const program = "qemu-storage-daemon";
  if (Bun.which(program) === null || !existsSync("/dev/shm")) return null;
  const folder = new TemporaryFolder("/dev/shm");
  const image = join(folder.path, "image");
  const path = join(folder.path, "export");
  for (const file of [image, path]) writeFileSync(file, "");
  truncateSync(image, bytes);
  const before = statfsSync(path).type;
  const child = start(
    [
      program,
      ...["--blockdev", `driver=file,node-name=image,filename=${image}`],
      "--export",
      `type=fuse,id=export,node-name=image,mountpoint=${path},writable=on`,
    ],
    { cwd: "/" },
  );
  await served(child, () => statfsSync(path).type !== before && statSync(path).size === bytes);
  return new ServedFile(folder, child, { path, mountpoint: path });
}

/** The original sheepfs with a VDI attached; it needs `dog` in PATH. */
export async function startOriginal(
  program: string,
  cluster: { readonly host: string; readonly port: number; readonly vdi: string },
): Promise<Peer> {
  const folder = new TemporaryFolder();
  const mountpoint = join(folder.path, "mnt");
  mkdirSync(mountpoint);
  const where = ["-a", cluster.host, "-p", String(cluster.port)];
  const child = start([program, "-f", ...where, mountpoint], { cwd: folder.path });
  const control = join(mountpoint, "vdi", "mount");
  await served(child, () => existsSync(control));
  writeFileSync(control, `${cluster.vdi}\n`);
  const path = join(mountpoint, "volume", cluster.vdi);
  return new ServedFile(folder, child, { path, mountpoint });
}

async function served(child: Child, ready: () => boolean): Promise<void> {
  const endMs = performance.now() + startTimeoutMs;
  while (!ready()) {
    if (!child.running || performance.now() > endMs) {
      throw new Error(`a peer did not start: ${child.stderr}${child.stdout}`);
    }
    await Bun.sleep(20);
  }
}
