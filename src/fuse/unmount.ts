import { spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { mountFilesystem } from "../sys/mount-call.ts";
import { mountHolders } from "./holders.ts";
import { type MountRow, mountType } from "./mountinfo.ts";
import { mountOn, realMountpoint } from "./mountpoint.ts";

/** Lines of holders that an error message carries. */
const holdersShown = 5;

/**
 * Unmounts a mount of another process of ours.
 * @throws invalid when it is none | busy naming who uses it | denied
 */
export async function unmount(text: string): Promise<void> {
  const path = realMountpoint(text);
  checkedMount(path);
  const failure = await runUnmount(path, "when free");
  if (failure === null) return;
  const holders = mountHolders(path);
  if (holders.length > 0) throw new SheepfsError("busy", `'${path}' is busy: ${shown(holders)}`);
  throw new SheepfsError("busy", `'${path}' cannot be unmounted: ${failure}`);
}

/**
 * Takes a mount of ours away whoever uses it and whether or not anybody serves it: what waits for an
 * answer fails. Nothing here waits for an answer.
 * @throws invalid when it is none | denied | busy when the system refuses
 */
export async function unmountNow(path: string): Promise<void> {
  const { device } = checkedMount(path);
  abortConnection(device);
  const failure = await runUnmount(path, "by force");
  // A daemon that is well may have taken it away by itself, now that its connection is gone.
  if (failure !== null && mountOn(path)?.device === device) {
    throw new SheepfsError("busy", `'${path}' cannot be unmounted: ${failure}`);
  }
}

/**
 * What waits for an answer of this mount fails from now on. Where that cannot be asked for, root's
 * `umount -f` does the same; for others the end of the daemon does.
 */
function abortConnection(device: string): void {
  const target = "/sys/fs/fuse/connections";
  try {
    // A small system or a container may not have mounted it.
    if (process.getuid?.() === 0 && readdirSync(target).length === 0) {
      mountFilesystem({ source: "none", target, type: "fusectl", flags: 0, data: "" });
    }
    writeFileSync(`${target}/${device.split(":")[1]}/abort`, "1");
  } catch {
    // Not there, as it is dead already or this system shows no connections.
  }
}

export function nothingMounted(path: string): SheepfsError {
  return new SheepfsError("invalid", `nothing is mounted on '${path}'`);
}

/** @throws invalid when it is no mount of sheepfs | denied when it is another user's */
function checkedMount(path: string): MountRow {
  const row = mountOn(path);
  if (row === null) throw nothingMounted(path);
  if (row.type !== mountType) {
    throw new SheepfsError("invalid", `'${path}' is a mount of type ${row.type}, not of sheepfs`);
  }
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0 && row.owner !== uid) {
    const advice = "unmount it as that user or as root";
    throw new SheepfsError("denied", `'${path}' was mounted by uid ${row.owner}; ${advice}`);
  }
  return row;
}

/**
 * Takes our own mount out of the tree of names: at once when nobody uses it, else for everybody
 * who comes after. Served by another process, as the unmount may have to wait for our answers.
 */
export async function detachMount(path: string, log: Logger): Promise<void> {
  const busy = await runUnmount(path, "when free");
  if (busy === null) return;
  const holders = mountHolders(path);
  log.warn(`'${path}' is still used: ${holders.length > 0 ? shown(holders) : busy}`);
  const failure = await runUnmount(path, "from now on");
  if (failure !== null) log.error(`'${path}' could not be unmounted: ${failure}`);
}

function shown(holders: readonly string[]): string {
  const more = holders.length - holdersShown;
  const rest = more > 0 ? [`and ${more} more`] : [];
  return [...holders.slice(0, holdersShown), ...rest].join("; ");
}

/** By force: what waits for an answer fails, where the caller is root. */
type When = "when free" | "from now on" | "by force";

const umountFlags: Record<When, readonly string[]> = {
  "when free": [],
  "from now on": ["-l"],
  "by force": ["-l", "-f"],
};

/** What the system's command said, null when it succeeded. */
async function runUnmount(path: string, when: When): Promise<string | null> {
  const commands =
    process.getuid?.() === 0
      ? [["umount", ...umountFlags[when], path]]
      : ["fusermount3", "fusermount"].map((name) => [
          name,
          when === "when free" ? "-u" : "-uz",
          path,
        ]);
  for (const command of commands) {
    const outcome = await runCommand(command);
    if (outcome !== "missing") return outcome;
  }
  return `no ${commands.map(([name]) => name).join(" or ")} on this machine`;
}

function runCommand([name = "", ...args]: readonly string[]): Promise<string | null | "missing"> {
  return new Promise((resolve) => {
    const child = spawn(name, args, { cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (bytes: Buffer) => {
      said += bytes.toString();
    });
    child.on("error", () => resolve("missing"));
    child.on("close", (code) => resolve(code === 0 ? null : said.trim() || `${name} failed`));
  });
}
