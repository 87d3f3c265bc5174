import { rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { SheepfsError } from "../../base/errors.ts";
import { dropPages } from "../../sys/page-cache.ts";
import type { ImageFormat } from "./export.ts";

const program = "qemu-img";
const checkMs = 200;
/** Of what it says at most this much is looked at. */
const saidBytesMax = 1_000_000;

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
 * @param check called again and again; it throws when there is to be no more
 */
export async function convertTo(
  target: { readonly path: string; readonly format: ImageFormat; readonly compare: boolean },
  raw: string,
  check: () => void,
): Promise<void> {
  const { path, format, compare } = target;
  try {
    const sides = ["-f", "raw", "-O", format, fileOf(raw), fileOf(path)];
    await qemuImg(["convert", "-m", "8", "-W", ...sides], check);
    if (compare) {
      await toDisk(path);
      await qemuImg(["compare", "-f", "raw", "-F", format, fileOf(raw), fileOf(path)], check);
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
  check: () => void,
): Promise<void> {
  const { path, format } = source;
  const said = await qemuImg(["info", "-f", format, "--output=json", fileOf(path)], check);
  const info = JSON.parse(said) as ImageInfo;
  const other = info["backing-filename"] ?? info["format-specific"]?.data?.["data-file"];
  if (other !== undefined) {
    const text = `'${path}' needs another file, '${other}'`;
    const advice = `make one that stands alone: qemu-img convert -O ${format} '${path}' NEW`;
    throw new SheepfsError("invalid", `${text}; ${advice}`);
  }
  const sides = ["-f", format, "-O", "raw", fileOf(path), fileOf(raw)];
  await qemuImg(["convert", "-m", "8", "-W", ...sides], check);
}

interface ImageInfo {
  readonly "backing-filename"?: string;
  readonly "format-specific"?: { readonly data?: { readonly "data-file"?: string } };
}

/** A path that has a colon would be taken for an address. */
function fileOf(path: string): string {
  return `file:${path}`;
}

/** @returns its stdout @throws invalid with what it says | what `check` throws */
async function qemuImg(args: readonly string[], check: () => void): Promise<string> {
  const child = Bun.spawn([program, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = [said(child.stdout), said(child.stderr)];
  try {
    for (;;) {
      const ended = await Promise.race([child.exited, Bun.sleep(checkMs)]);
      if (ended !== undefined) break;
      check();
    }
  } catch (thrown) {
    child.kill("SIGKILL");
    await child.exited;
    throw thrown;
  }
  if (child.exitCode === 0) return await out;
  check();
  const text = (await err).trim().replaceAll("\n", "; ");
  throw new SheepfsError("invalid", `${program} ${args[0]}: ${text === "" ? "failed" : text}`);
}

async function said(stream: ReadableStream<Uint8Array>): Promise<string> {
  const text = await new Response(stream).text();
  return text.slice(0, saidBytesMax);
}
