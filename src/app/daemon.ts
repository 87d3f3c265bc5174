import { spawn } from "node:child_process";
import { closeSync, readFileSync, writeSync } from "node:fs";
import { asSheepfsError, type ErrorCode, errorTable, SheepfsError } from "../base/errors.ts";

// A compiled program cannot fork, so the daemon is the same command line run again, detached, with
// a pipe on which it says that its mount is usable, or why not.
const mark = "SHEEPFS_DAEMON";
const readyFd = 3;

/** Whether this process is the daemon of a command that waits for it. */
export function isDaemon(): boolean {
  return process.env[mark] !== undefined;
}

/**
 * Starts the daemon with this command line and waits until it is ready.
 * @throws the daemon's own reason
 */
export async function startDaemon(argv: readonly string[]): Promise<void> {
  const script = process.execPath === process.argv[0] ? [process.argv[1] ?? ""] : [];
  const child = spawn(process.execPath, [...script, ...argv], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { ...process.env, [mark]: "1" },
  });
  const pipe = child.stdio[readyFd];
  let said = "";
  pipe?.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  const over = Promise.withResolvers<void>();
  pipe?.on("close", () => over.resolve());
  child.on("error", (error) => over.reject(error));
  await over.promise;
  child.unref();
  if (said === "ready") return;
  const [code = "", ...words] = said.split(" ");
  if (isErrorCode(code)) throw new SheepfsError(code, words.join(" "));
  throw new SheepfsError("internal", "the daemon ended without a reason; its log may have one");
}

function isErrorCode(word: string): word is ErrorCode {
  return Object.hasOwn(errorTable, word);
}
