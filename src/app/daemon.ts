import { closeSync, statSync, writeSync } from "node:fs";
import { asSheepfsError, isErrorCode, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

// A compiled program cannot fork, so the daemon is the same command line run again in a session of
// its own, with a pipe on which it says that it is usable, and what there is to tell, or why not.
const mark = "SHEEPFS_DAEMON";
const readyFd = 3;
const readyWord = "ready ";

/** Whether this process is the daemon of a command that waits for it. */
export function isDaemon(): boolean {
  return process.env[mark] !== undefined;
}

export interface DaemonWish {
  /** What follows the program's name; the daemon gets the same. */
  readonly argv: readonly string[];
  /** What has to become usable, for messages. */
  readonly what: "mount" | "server";
  /** Absolute: taken away again when a daemon has to be killed; null when it mounts nothing. */
  readonly mountpoint: string | null;
  readonly readyTimeoutMs: number;
}

/** A daemon that is usable. */
export interface StartedDaemon {
  readonly pid: number;
  /** What it told whoever waited for it. */
  readonly said: string;
}

/**
 * Starts the daemon and waits until it is usable.
 * @throws the daemon's own reason | timed_out | cancelled by Ctrl-C; nothing of it is left then
 */
export async function startDaemon(wish: DaemonWish): Promise<StartedDaemon> {
  // A compiled program has its sources inside; else the script has to be named.
  const script = Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main];
  const child = Bun.spawn({
    cmd: [process.execPath, ...script, ...wish.argv],
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { ...process.env, [mark]: "1", PWD: process.cwd() },
  });
  const cut = Promise.withResolvers<SheepfsError>();
  const timer = setTimeout(() => {
    const seconds = wish.readyTimeoutMs / 1000;
    cut.resolve(
      new SheepfsError("timed_out", `the ${wish.what} was not usable within ${seconds} s`),
    );
  }, wish.readyTimeoutMs);
  const interrupted = (signal: NodeJS.Signals): void => {
    cut.resolve(
      new SheepfsError(
        "cancelled",
        `${signal}: ${wish.what === "mount" ? "not mounted" : "not served"}`,
      ),
    );
  };
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", interrupted);
  try {
    const said = await Promise.race([readAll(child.stdio[readyFd]), cut.promise]);
    if (typeof said === "string" && said.startsWith(readyWord)) {
      child.unref();
      return { pid: child.pid, said: said.slice(readyWord.length) };
    }
    await endChild(child, wish.mountpoint);
    throw said instanceof SheepfsError ? said : reasonOf(said);
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
  }
}

async function readAll(fd: unknown): Promise<string> {
  if (typeof fd !== "number") throw new SheepfsError("internal", "the daemon got no pipe");
  return await new Response(Bun.file(fd).stream()).text();
}

function reasonOf(said: string): SheepfsError {
  const [code = "", ...words] = said.split(" ");
  if (isErrorCode(code)) return new SheepfsError(code, words.join(" "));
  return new SheepfsError(
    "internal",
    "the daemon ended without a reason; run the same command with -f to see it",
  );
}

/** Ends a daemon that is of no use; one that does not end in order is killed and cleaned up after. */
async function endChild(child: Bun.Subprocess, mountpoint: string | null): Promise<void> {
  child.kill("SIGTERM");
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), limits.daemonEndMs);
  const first = await Promise.race([child.exited, late.promise]);
  clearTimeout(timer);
  if (first !== "late") return;
  child.kill("SIGKILL");
  await child.exited;
  if (mountpoint !== null && isDead(mountpoint))
    await (await import("../fuse/unmount.ts")).unmount(mountpoint);
}

/** Whether a mount is left here whose daemon is gone. */
function isDead(mountpoint: string): boolean {
  try {
    statSync(mountpoint);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "ENOTCONN";
  }
}

/**
 * Runs `serve` as the daemon that somebody waits for: its `ready` lets that command return, with
 * what it is told, and a failure before it becomes that command's failure.
 */
export async function beDaemon(
  serve: (ready: (said: string) => void) => Promise<void>,
): Promise<void> {
  delete process.env[mark];
  // A working directory would keep its file system busy, or be the mountpoint's own parent.
  process.chdir("/");
  let waitedFor = true;
  const say = (text: string): void => {
    if (!waitedFor) return;
    waitedFor = false;
    try {
      writeSync(readyFd, text);
    } catch {
      // Whoever waited was killed; it is usable all the same.
    }
    closeSync(readyFd);
  };
  try {
    await serve((said) => say(`${readyWord}${said}`));
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    say(`${error.code} ${error.message}`);
    throw thrown;
  }
}

/** Takes one finished line of a daemon's log. */
type LogLine = (level: "error" | "warn" | "info" | "debug", line: string) => void;

/** The system's log, for a daemon that was given no file. */
export async function daemonLog(): Promise<LogLine> {
  const { openSyslog } = await import("../sys/syslog.ts");
  return openSyslog();
}
