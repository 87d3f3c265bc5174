import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readMountInfo } from "./mountinfo.ts";

/** Who keeps a mount busy, one line each: `pid 812 (qemu-img) has volume/test open`. */
export function mountHolders(mountpoint: string): string[] {
  return [...processHolders(mountpoint), ...loopHolders(mountpoint), ...mountedBelow(mountpoint)];
}

// Only links are read here, never what they point to: a mount that hangs would hang us too.
function processHolders(mountpoint: string): string[] {
  const pids = entries("/proc").filter((name) => /^[0-9]+$/.test(name));
  return pids.flatMap((pid) => {
    const what = processUse(pid, mountpoint);
    return what === null ? [] : [`pid ${pid} (${commandOf(pid)}) ${what}`];
  });
}

function processUse(pid: string, mountpoint: string): string | null {
  const inside = (path: string | null): string | null => pathInside(path, mountpoint);
  const open = entries(`/proc/${pid}/fd`)
    .map((fd) => inside(linkTarget(`/proc/${pid}/fd/${fd}`)))
    .find((path) => path !== null);
  if (open !== undefined) return `has ${open} open`;
  const cwd = inside(linkTarget(`/proc/${pid}/cwd`));
  if (cwd !== null) return `works in ${cwd}`;
  const root = inside(linkTarget(`/proc/${pid}/root`));
  if (root !== null) return `has ${root} as its root`;
  const exe = inside(linkTarget(`/proc/${pid}/exe`));
  if (exe !== null) return `runs ${exe}`;
  const mapped = mappedPaths(pid)
    .map(inside)
    .find((path) => path !== null);
  return mapped === undefined ? null : `has ${mapped} mapped`;
}

/** The path as seen from the mountpoint, `.` for itself; null when it lies elsewhere. */
function pathInside(path: string | null, mountpoint: string): string | null {
  if (path === null) return null;
  if (path === mountpoint) return ".";
  return path.startsWith(`${mountpoint}/`) ? path.slice(mountpoint.length + 1) : null;
}

function mappedPaths(pid: string): string[] {
  const lines = content(`/proc/${pid}/maps`).split("\n");
  return lines.flatMap((line) => {
    const start = line.indexOf("/");
    return start < 0 ? [] : [line.slice(start)];
  });
}

function loopHolders(mountpoint: string): string[] {
  const loops = entries("/sys/block").filter((name) => name.startsWith("loop"));
  return loops.flatMap((name) => {
    const backing = content(`/sys/block/${name}/loop/backing_file`).trim();
    const inside = pathInside(backing, mountpoint);
    return inside === null ? [] : [`/dev/${name} is set up on ${inside} (losetup -d /dev/${name})`];
  });
}

function mountedBelow(mountpoint: string): string[] {
  return readMountInfo().flatMap((row) =>
    row.mountpoint.startsWith(`${mountpoint}/`)
      ? [`${row.source} is mounted on ${row.mountpoint} (umount ${row.mountpoint})`]
      : [],
  );
}

function commandOf(pid: string): string {
  return content(`/proc/${pid}/comm`).trim() || "?";
}

// Processes come and go while we look, and others' are closed to us: what cannot be read is as if
// it were not there.
function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function content(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
