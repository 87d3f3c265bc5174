import { existsSync } from "node:fs";

/** Programs that tests use, and Debian's package that has each. */
const packageOf: Readonly<Record<string, string>> = {
  fio: "fio",
  "mkfs.ext4": "e2fsprogs",
  "qemu-img": "qemu-utils",
  "qemu-system-x86_64": "qemu-system-x86",
  tgtd: "tgt",
  "iscsi-inq": "libiscsi-bin",
  fusermount3: "fuse3",
  losetup: "mount",
};

/** Files rather than programs. */
const packageOfFile: Readonly<Record<string, string>> = {
  "/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so": "qemu-block-extra",
};

/**
 * Installs what is missing of these programs, or of all that tests need, from the machine's own
 * package sources. Says what is missing where it may not; the tests that need it then fail.
 */
export async function installPackages(wanted: readonly string[] | "all"): Promise<void> {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    console.log(`missing packages: ${missing.join(" ")} (root and apt-get would install them)`);
    return;
  }
  console.log(`installing packages: ${missing.join(" ")}`);
  if ((await aptGet(["install", ...missing])) !== 0) {
    // The usual reason is a package list that is older than the mirror.
    await aptGet(["update"]);
    await aptGet(["install", ...missing]);
  }
  const left = missingPackages(wanted);
  if (left.length > 0) console.log(`packages that could not be installed: ${left.join(" ")}`);
}

function missingPackages(wanted: readonly string[] | "all"): string[] {
  const isWanted = ([name]: readonly [string, string]): boolean =>
    wanted === "all" || wanted.includes(name);
  const programs = Object.entries(packageOf)
    .filter(isWanted)
    .filter(([program]) => findProgram(program) === null);
  const files = Object.entries(packageOfFile)
    .filter(isWanted)
    .filter(([file]) => !existsSync(file));
  return [...new Set([...programs, ...files].map(([, name]) => name))];
}

/** Where a program is, also in the folders of root's programs; null when it is missing. */
function findProgram(name: string): string | null {
  return Bun.which(name, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/local/sbin` });
}

async function aptGet(args: readonly string[]): Promise<number> {
  const child = Bun.spawn({
    cmd: ["apt-get", "-q", "-y", "--no-install-recommends", ...args],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  return await child.exited;
}
