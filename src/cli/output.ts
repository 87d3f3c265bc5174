import { write, writeSync } from "node:fs";
import { ofFile } from "../base/file-error.ts";

/** Writes a command's result to stdout; returns when it is out. */
export async function printOutput(text: string): Promise<void> {
  await printBytes(new TextEncoder().encode(text));
}

/**
 * The same for bytes, which may be changed when it returns. Not `Bun.write`, which cuts a file that
 * others write to as well.
 * @returns false when the reader has seen enough (`| head`), which is no failure of ours
 * @throws no_space | … naming stdout
 */
async function printBytes(bytes: Uint8Array): Promise<boolean> {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(stdout, rest));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN") throw ofFile("stdout", error);
      // Somebody has made the pipe non-blocking, and it is full.
      await Bun.sleep(fullPipeMs);
    }
  }
  return true;
}

/** The same by another thread, so that what comes next can be read meanwhile. */
export async function printBytesBeside(bytes: Uint8Array): Promise<boolean> {
  for (let done = 0; done < bytes.length; ) {
    const { error, count } = await new Promise<{ error: Error | null; count: number }>(
      (resolve) => {
        write(stdout, bytes, done, bytes.length - done, null, (error, count) =>
          resolve({ error, count }),
        );
      },
    );
    const code = error !== null && "code" in error ? error.code : null;
    if (code === "EPIPE") return false;
    if (code === "EAGAIN") await Bun.sleep(fullPipeMs);
    else if (error !== null) throw ofFile("stdout", error);
    else done += count;
  }
  return true;
}

const stdout = 1;
const fullPipeMs = 2;

export async function printJson(value: unknown): Promise<void> {
  await printOutput(`${JSON.stringify(value, null, 2)}\n`);
}

/** One fact a line, named as in the JSON. */
export async function printFacts(facts: Readonly<Record<string, unknown>>): Promise<void> {
  const rows = Object.entries(facts).map(([key, value]) => [key, String(value ?? "-")] as const);
  const width = Math.max(...rows.map(([key]) => key.length)) + 2;
  await printOutput(rows.map(([key, value]) => `${key.padEnd(width)}${value}\n`).join(""));
}

/** One line on stderr, in the form that every Unix program has. */
export function printError(message: string): void {
  process.stderr.write(`sheepfs: ${message}\n`);
}
