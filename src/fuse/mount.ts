import { spawn } from "node:child_process";
import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { MountedDevice } from "../sys/fuse-device.ts";
import { closeFd, errnoNumber, errorText, openFd, openFlag } from "../sys/libc.ts";
import { mountFilesystem, mountFlag } from "../sys/mount-call.ts";
import type { Reactor } from "../sys/reactor.ts";
import { receiveFd, socketPair } from "../sys/sockets.ts";
import type { FuseDevice } from "./channel.ts";
import type { MountOptions } from "./mount-options.ts";
import { mountType } from "./mountinfo.ts";
import { checkMountpoint } from "./mountpoint.ts";
import { unmountNow } from "./unmount.ts";

export interface MountWish {
  readonly mountpoint: string;
  readonly options: MountOptions;
  /** Who mounts: root by the system call, others by fusermount3. */
  readonly uid: number;
  readonly gid: number;
  readonly clock: Clock;
  readonly reactor: Reactor;
  /** A mount that nobody serves any more was taken away from here. */
  replacing(path: string): void;
  /** Called while the kernel has a message and the device is watched. */
  readable(): void;
}

export interface Mounted {
  /** The mountpoint's real path. */
  readonly path: string;
  /** The device's own. */
  readonly fd: number;
  readonly device: FuseDevice;
}

const devicePath = "/dev/fuse";
const noFuse = `no ${devicePath}; load FUSE with: modprobe fuse`;

/** Words of `-o` as mount(2)'s flags. */
const flagOfWord: Readonly<Record<string, number>> = {
  noexec: mountFlag.noExec,
  noatime: mountFlag.noAtime,
  nodiratime: mountFlag.noDirAtime,
  relatime: mountFlag.relAtime,
  sync: mountFlag.sync,
  dirsync: mountFlag.dirSync,
};

/**
 * Mounts; the kernel's first message is then waiting. When it fails nothing is mounted.
 * @throws not_found | not_directory | not_empty | denied | busy | not_supported
 */
export async function mountDevice(wish: MountWish): Promise<Mounted> {
  const { options, uid, clock } = wish;
  const path = await checkMountpoint({
    path: wish.mountpoint,
    ...{ nonEmpty: options.nonEmpty, uid, clock },
    clearDead: async (dead) => {
      await unmountNow(dead);
      wish.replacing(dead);
    },
  });
  const fd = uid === 0 ? mountDirectly(path, wish) : await mountByHelper(path, options);
  return { path, fd, device: new MountedDevice(wish.reactor, fd, () => wish.readable()) };
}

/** Goes on with a mount that a predecessor made. */
export function inheritDevice(
  { path, fd }: { readonly path: string; readonly fd: number },
  wish: Pick<MountWish, "reactor" | "readable">,
): Mounted {
  return { path, fd, device: new MountedDevice(wish.reactor, fd, () => wish.readable()) };
}

function mountDirectly(path: string, { options, uid, gid }: MountWish): number {
  const fd = openFd(devicePath, openFlag.readWrite | openFlag.nonBlocking | openFlag.closeOnExec);
  if (fd < 0) throw deviceError(-fd);
  const flags = options.flagWords.reduce(
    (bits, word) => bits | (flagOfWord[word] ?? 0),
    mountFlag.noSetId | mountFlag.noDevices | (options.readOnly ? mountFlag.readOnly : 0),
  );
  const words = [`fd=${fd}`, "rootmode=40000", `user_id=${uid}`, `group_id=${gid}`];
  const data = [...words, ...commonWords(options)].join(",");
  const { source } = options;
  const done = mountFilesystem({ source, target: path, type: mountType, flags, data });
  if (done === 0) return fd;
  closeFd(fd);
  throw mountError(path, -done);
}

function commonWords(options: MountOptions): string[] {
  return [
    "default_permissions",
    ...(options.allowOther ? ["allow_other"] : []),
    ...(options.maxReadBytes === null ? [] : [`max_read=${options.maxReadBytes}`]),
  ];
}

function deviceError(errno: number): SheepfsError {
  const { ENOENT, ENODEV, ENXIO, EACCES, EPERM } = errnoNumber;
  if (errno === ENOENT || errno === ENODEV || errno === ENXIO) {
    return new SheepfsError("not_supported", noFuse);
  }
  const text = `${devicePath} cannot be opened: ${errorText(errno)}`;
  if (errno !== EACCES && errno !== EPERM) return new SheepfsError("internal", text);
  return new SheepfsError("denied", `${text}; in a container, give it the device ${devicePath}`);
}

function mountError(path: string, errno: number): SheepfsError {
  const text = `mounting on '${path}' failed: ${errorText(errno)}`;
  switch (errno) {
    case errnoNumber.EPERM:
    case errnoNumber.EACCES:
      return new SheepfsError("denied", `${text}; it needs the capability CAP_SYS_ADMIN`);
    case errnoNumber.ENODEV:
      return new SheepfsError("not_supported", `${text}; load FUSE with: modprobe fuse`);
    case errnoNumber.EBUSY:
      return new SheepfsError("busy", text);
    case errnoNumber.EINVAL:
      return new SheepfsError("invalid", `${text}; the kernel refused one of the options`);
    default:
      return new SheepfsError("internal", text);
  }
}

/** The helper is set-uid root, mounts, and sends back the descriptor that it opened. */
async function mountByHelper(path: string, options: MountOptions): Promise<number> {
  const pair = socketPair();
  if (pair === null) throw new SheepfsError("internal", "no sockets for fusermount3");
  const [ours, theirs] = pair;
  try {
    const words = [...commonWords(options), ...helperWords(options)].join(",");
    const failure = await runHelper(["-o", words, "--", path], theirs);
    const fd = failure === null ? (receiveFd(ours, false)?.fd ?? null) : null;
    if (fd !== null) return fd;
    throw helperError(path, failure ?? "it sent no descriptor");
  } finally {
    closeFd(ours);
    closeFd(theirs);
  }
}

function helperWords(options: MountOptions): string[] {
  // A comma ends an option there, unless it is escaped.
  const source = options.source.replace(/[\\,]/g, (sign) => `\\${sign}`);
  const subtype = mountType.slice(mountType.indexOf(".") + 1);
  return [
    ...["nosuid", "nodev", options.readOnly ? "ro" : "rw", ...options.flagWords],
    ...[`fsname=${source}`, `subtype=${subtype}`],
  ];
}

/** @returns null when it succeeded, else what it said */
async function runHelper(args: readonly string[], socket: number): Promise<string | null> {
  for (const name of ["fusermount3", "fusermount"]) {
    const outcome = await runOne(name, args, socket);
    if (outcome !== "missing") return outcome.said;
  }
  const advice = "install the package fuse3";
  throw new SheepfsError("not_supported", `fusermount3 is not on this machine; ${advice}`);
}

function runOne(
  name: string,
  args: readonly string[],
  socket: number,
): Promise<"missing" | { readonly said: string | null }> {
  return new Promise((resolve) => {
    const child = spawn(name, args, {
      cwd: "/",
      env: { ...process.env, _FUSE_COMMFD: "3" },
      stdio: ["ignore", "ignore", "pipe", socket],
    });
    let said = "";
    child.stderr?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
    });
    child.on("error", () => resolve("missing"));
    child.on("close", (code) => {
      resolve({ said: code === 0 ? null : said.trim() || `${name} failed` });
    });
  });
}

function helperError(path: string, said: string): SheepfsError {
  if (/device not found|modprobe/.test(said)) {
    return new SheepfsError("not_supported", noFuse);
  }
  const closed = said.includes(`${devicePath}: Permission denied`);
  const advice = closed ? `; open it to users with: chmod 666 ${devicePath}` : "";
  return new SheepfsError("denied", `mounting on '${path}' failed: ${said}${advice}`);
}
