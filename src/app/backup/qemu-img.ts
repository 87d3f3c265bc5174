import { readFileSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { realClock } from "../../sys/clock.ts";
import { dropPages } from "../../sys/page-cache.ts";
import type { ImageFormat } from "./export.ts";

const program = "qemu-img";
const checkMs = 200;

/** An image of it has a multiple of that as its size, with zeros behind what it was made of. */
export const qcow2SectorBytes = 512;

/** What is looked at while it runs. */
export interface Watching {
  /** Called again and again; it throws when there is to be no more. */
  readonly check: () => void;
  /** How long it may neither read nor write. */
  readonly quietMs: number;
}

/** @throws not_supported naming it */
export function refuseWithoutQemu(): void {
  if (Bun.which(program) !== null) return;
  const text = `qcow2 images need '${program}', which is not installed here`;
  throw new SheepfsError(
    "not_supported",
    `${text}: install it (Debian: qemu-utils, Fedora: qemu-img), or use '--format raw'`,
  );
}

/**
 * Makes an image of another format from a raw one.
 * @throws invalid with what it says | timed_out when it hangs | what `check` throws; the image is gone then
 */
export async function convertTo(
  target: { readonly path: string; readonly format: ImageFormat; readonly compare: boolean },
  raw: string,
  watching: Watching,
): Promise<void> {
  const { path, format, compare } = target;
  try {
    const sides = ["-f", "raw", "-O", format, fileOf(raw), fileOf(path)];
    await qemuImg(["convert", "-m", "8", "-W", ...sides], path, watching);
    if (compare) {
      await toDisk(path);
      await qemuImg(
        ["compare", "-f", "raw", "-F", format, fileOf(raw), fileOf(path)],
        path,
        watching,
      );
    }
  } catch (thrown) {
    rmSync(path, { force: true });
    throw thrown;
  }
}

/** It does not do so itself, and reads as others do: see PartFile.toDisk. */
async function toDisk(path: string): Promise<void> {
  await using handle = await open(path, "r+");
  await handle.sync();
  dropPages(handle.fd);
}

/**
 * Makes a raw image, sparse, from one of another format that needs no other files.
 * @throws invalid for one that does: whoever made it decides which files of this machine would be read
 */
export async function convertFrom(
  source: { readonly path: string; readonly format: ImageFormat },
  raw: string,
  watching: Watching,
): Promise<void> {
  const { path, format } = source;
  const said = await qemuImg(["info", "-f", format, "--output=json", fileOf(path)], raw, watching);
  const info = JSON.parse(said) as ImageInfo;
  const other = info["backing-filename"] ?? info["format-specific"]?.data?.["data-file"];
  if (other !== undefined) {
    const text = `'${path}' needs another file, '${other}'`;
    const advice = `make one that stands alone: qemu-img convert -O ${format} '${path}' NEW`;
    throw new SheepfsError("invalid", `${text}; ${advice}`);
  }
  const sides = ["-f", format, "-O", "raw", fileOf(path), fileOf(raw)];
  await qemuImg(["convert", "-m", "8", "-W", ...sides], raw, watching);
}

interface ImageInfo {
  readonly "backing-filename"?: string;
  readonly "format-specific"?: { readonly data?: { readonly "data-file"?: string } };
}

/** A path that has a colon would be taken for an address. */
function fileOf(path: string): string {
  return `file:${path}`;
}

/** @param output what it writes, if it does @returns its stdout */
async function qemuImg(
  args: readonly string[],
  output: string,
  watching: Watching,
): Promise<string> {
  const child = Bun.spawn([program, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const ended = Promise.all([said(child.stdout), said(child.stderr), child.exited]);
  ended.catch(() => {});
  try {
    await untilEnded(ended, () => lifeOf(child.pid, output), watching);
  } catch (thrown) {
    child.kill("SIGKILL");
    // One that waits for a disk which is gone does not end.
    await Promise.race([child.exited, Bun.sleep(limits.qemuKilledMs)]);
    const { code, message } = asSheepfsError(thrown);
    throw new SheepfsError(code, `${program} ${args[0]}: ${message}`, { cause: thrown });
  }
  const [out, err, exitCode] = await ended;
  if (exitCode === 0) return out;
  watching.check();
  const text = err.trim().replaceAll("\n", "; ");
  throw new SheepfsError("invalid", `${program} ${args[0]}: ${text === "" ? "failed" : text}`);
}

/** @throws timed_out | what `check` throws */
async function untilEnded(
  ended: Promise<unknown>,
  life: () => string,
  { check, quietMs }: Watching,
): Promise<void> {
  let seen = life();
  let seenMs = realClock.nowMs();
  for (;;) {
    if ((await Promise.race([ended, Bun.sleep(checkMs)])) !== undefined) return;
    check();
    const now = life();
    if (now !== seen) seenMs = realClock.nowMs();
    seen = now;
    if (realClock.nowMs() - seenMs < quietMs) continue;
    const text = `it has neither read nor written anything for ${quietMs / 1000} s, and was ended`;
    throw new SheepfsError("timed_out", `${text}; look whether its disk answers`);
  }
}

/** Another one each time when it does something. Its own progress comes in steps of a hundredth. */
function lifeOf(pid: number, output: string): string {
  const made = statSync(output, { throwIfNoEntry: false });
  const grown = made === undefined ? "" : `${made.size} ${made.blocks} ${made.mtimeMs}`;
  return `${bytesMoved(pid)} ${grown}`;
}

function bytesMoved(pid: number): string {
  for (const name of ["io", "stat"]) {
    try {
      return readFileSync(`/proc/${pid}/${name}`, "utf8");
    } catch {
      // A kernel that does not count bytes counts time.
    }
  }
  return "";
}

/** The beginning of it; the rest is read, since it waits for that. */
async function said(stream: ReadableStream<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stream) {
    if (bytes < limits.qemuSaidBytesMax) parts.push(part);
    bytes += part.length;
  }
  return Buffer.concat(parts).toString();
}
