import { expect } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import type { TestCluster } from "../support/cluster.ts";
import { type Outcome, run, sheepfsBinary } from "../support/process.ts";

/** What a command of backups says in JSON. */
export interface Said {
  readonly digest: string;
  readonly dataBytes: number;
  readonly sizeBytes: number;
}

export async function sheepfs(cluster: TestCluster, ...args: readonly string[]): Promise<Outcome> {
  return await run([await sheepfsBinary(), ...args, "-s", cluster.address], { deadlineMs: 60_000 });
}

/** The same for one that has to succeed. @returns its stdout */
export async function must(cluster: TestCluster, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await sheepfs(cluster, ...args);
  if (exitCode !== 0) throw new Error(`${args.join(" ")}: ${exitCode} ${stderr}`);
  return stdout;
}

export async function json<T = Said>(cluster: TestCluster, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await must(cluster, ...args, "--json")) as T;
}

/** The line has to fail with this exit code, and say this. */
export async function refused(
  cluster: TestCluster,
  args: readonly string[],
  exitCode: number,
  text: string,
): Promise<void> {
  const outcome = await sheepfs(cluster, ...args);
  expect([args.join(" "), outcome.exitCode, outcome.stderr]).toEqual([
    args.join(" "),
    exitCode,
    expect.stringContaining(text),
  ]);
}

export function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

/** Writes to a VDI at these places. */
export async function fill(
  cluster: TestCluster,
  name: string,
  places: readonly (readonly [offset: number, bytes: Uint8Array<ArrayBuffer>])[],
): Promise<void> {
  for (const [offset, bytes] of places) {
    const args = ["write", `volume/${name}`, "-s", cluster.address];
    const at = offset === 0 ? [] : ["--offset", String(offset)];
    const { exitCode, stderr } = await run([await sheepfsBinary(), ...args, ...at], {
      stdin: bytes,
    });
    expect([exitCode, stderr]).toEqual([0, ""]);
  }
}

/** A sparse image with some data at these places. */
export function image(path: string, sizeBytes: number, places: readonly number[]): void {
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  for (const at of places) {
    const bytes = noise(Math.min(2_000, sizeBytes - at));
    const file = Bun.spawnSync(["dd", `of=${path}`, "bs=1", `seek=${at}`, "conv=notrunc"], {
      stdin: bytes,
    });
    expect(file.exitCode).toBe(0);
  }
}

/** Something of a part is known to be there. */
export function noted(part: string): boolean {
  try {
    return (
      (JSON.parse(readFileSync(`${part}.json`, "utf8")) as { doneBytes: number }).doneBytes > 0
    );
  } catch {
    return false;
  }
}
