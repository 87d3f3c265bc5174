import { existsSync } from "node:fs";

/** Debian's package of each program or file that demo, tests or measurements use. */
const packageOf: Readonly<Record<string, string>> = {
  fio: "fio",
  "mkfs.ext4": "e2fsprogs",
  "qemu-img": "qemu-utils",
  "qemu-io": "qemu-utils",
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-storage-daemon": "qemu-system-common",
  tgtd: "tgt",
  "iscsi-inq": "libiscsi-bin",
  "/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so": "qemu-block-extra",
  fusermount3: "fuse3",
  losetup: "mount",
  nbdkit: "nbdkit",
  nbdfuse: "libnbd-bin",
  curl: "curl",
  openssl: "openssl",
  ip: "iproute2",
  unshare: "util-linux",
  logrotate: "logrotate",
  "systemd-analyze": "systemd",
  rclone: "rclone",
  zsh: "zsh",
  fish: "fish",
  mandoc: "mandoc",
  cadaver: "cadaver",
  litmus: "litmus",
  "mount.davfs": "davfs2",
  chromium: "chromium",
  wrk: "wrk",
  nginx: "nginx",
  apache2: "apache2-bin",
  "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core",
  "/usr/lib/x86_64-linux-gnu/qemu/block-curl.so": "qemu-block-extra",
};

/** What each command needs. */
export const needs = {
  demo: ["mkfs.ext4", "losetup"],
  tests: [
    ...["fio", "mkfs.ext4", "losetup", "fusermount3", "qemu-img", "qemu-io"],
    ...["qemu-system-x86_64", "tgtd", "iscsi-inq", "/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so"],
    ...["zsh", "fish", "mandoc"],
    ...["openssl", "ip", "unshare", "logrotate", "systemd-analyze"],
    ...["curl", "rclone", "cadaver", "litmus", "mount.davfs", "chromium"],
    "/usr/lib/x86_64-linux-gnu/qemu/block-curl.so",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
  ],
  bench: ["fio", "nbdkit", "nbdfuse", "qemu-storage-daemon"],
  benchWebdav: ["wrk", "nginx", "rclone", "apache2"],
} as const;

/**
 * Installs what is missing, from the machine's own package sources. Says what is missing where it
 * may not; what needs it then fails.
 */
export async function installPackages(wanted: readonly string[]): Promise<void> {
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

function missingPackages(wanted: readonly string[]): string[] {
  const missing = wanted.filter((name) =>
    name.startsWith("/") ? !existsSync(name) : findProgram(name) === null,
  );
  return [...new Set(missing.map((name) => packageOf[name] ?? name))];
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
