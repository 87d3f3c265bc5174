import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";

const root = join(import.meta.dirname, "..", "..");

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + the signal's number when it was ended by one, as a shell has it. */
  readonly exitCode: number;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  readonly deadlineMs?: number;
}

const defaultDeadlineMs = 20_000;

/**
 * Runs a program to its end. One that does not end by the deadline is killed.
 * @throws Error with what it said so far, when the deadline passes
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  await using child = start(command, options);
  const exitCode = await child.exit(options.deadlineMs ?? defaultDeadlineMs);
  return { stdout: child.stdout, stderr: child.stderr, exitCode };
}

/** Runs a program that has to succeed. @returns its stdout */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await run(command, options);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit ${exitCode}\n${stderr}${stdout}`);
  return stdout;
}

/** A program that runs beside the test; disposing ends it. */
export class Child implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #what: string;
  readonly #process: Bun.Subprocess<"pipe" | "ignore" | Blob, "pipe", "pipe">;
  readonly #closed: Promise<unknown>;
  #changed = Promise.withResolvers<void>();

  constructor(command: readonly string[], options: RunOptions) {
    this.#what = command.join(" ");
    this.#process = Bun.spawn({
      cmd: [...command],
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const out = this.#collect(this.#process.stdout, (text) => {
      this.stdout += text;
    });
    const err = this.#collect(this.#process.stderr, (text) => {
      this.stderr += text;
    });
    this.#closed = Promise.all([out, err, this.#process.exited]);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** Its exit code, once it has ended and its output is complete. */
  async exit(deadlineMs = defaultDeadlineMs): Promise<number> {
    await this.#within(deadlineMs, this.#process.exited, "did not end");
    // What it said last may come later on a busy machine; only what it left behind holds the pipes.
    await Promise.race([this.#closed, Bun.sleep(5_000)]);
    const { signalCode, exitCode } = this.#process;
    return signalCode === null ? (exitCode ?? -1) : 128 + signalNumber(signalCode);
  }

  /** Waits until `find` has an answer in what was printed so far. */
  async until<T>(
    find: (child: Child) => T | null,
    what: string,
    deadlineMs = defaultDeadlineMs,
  ): Promise<T> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const found = find(this);
      if (found !== null) return found;
      if (!this.running) {
        await this.exit();
        const last = find(this);
        if (last !== null) return last;
        throw new Error(`${this.#what} ended without ${what}\n${this.stderr}${this.stdout}`);
      }
      const next = Promise.race([this.#changed.promise, this.#process.exited]);
      await this.#within(Math.max(1, end - performance.now()), next, `gave no ${what}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#process.exited;
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      add(decoder.decode(bytes, { stream: true }));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }

  async #within<T>(deadlineMs: number, wanted: Promise<T>, complaint: string): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const said = `${this.stderr}${this.stdout}`.slice(-4000);
      late.reject(
        new Error(`${this.#what} ${complaint} within ${Math.round(deadlineMs)} ms\n${said}`),
      );
    }, deadlineMs);
    try {
      return await Promise.race([wanted, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

export function start(command: readonly string[], options: RunOptions = {}): Child {
  return new Child(command, options);
}

/** A folder of its own, gone with everything in it when disposed. */
export class TemporaryFolder implements Disposable {
  readonly path: string;

  constructor(parent = tmpdir()) {
    this.path = mkdtempSync(join(parent, "sheepfs-test-"));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

let binary: Promise<string> | null = null;

/**
 * The compiled program: the one that the whole suite was started with, else dist/sheepfs, built
 * anew when a source is newer.
 */
export function sheepfsBinary(): Promise<string> {
  binary ??= findBinary();
  return binary;
}

/** Runs sheepfs with these arguments to its end. */
export async function sheepfs(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return await run([await sheepfsBinary(), ...args], options);
}

async function findBinary(): Promise<string> {
  const given = process.env["SHEEPFS_TEST_BINARY"];
  if (given !== undefined) return given;
  const path = join(root, "dist", "sheepfs");
  const builtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (newestSourceMs(join(root, "src")) > builtMs) await build(path);
  return path;
}

function newestSourceMs(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Math.max(...files.map((file) => statSync(join(folder, file)).mtimeMs));
}

function signalNumber(signal: NodeJS.Signals | number): number {
  return typeof signal === "number" ? signal : constants.signals[signal];
}
