import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestCluster } from "../support/cluster.ts";
import { LoopMount } from "../support/loop-mount.ts";
import { mountSheepfs, type TestMount } from "../support/mount.ts";
import { type Child, must, start, TemporaryFolder } from "../support/process.ts";

/** What came of a load once it was ended and looked at. */
export interface LoadReport {
  readonly fioRuns: number;
  /** Of each run that failed, what it said. */
  readonly fioErrors: readonly string[];
  readonly transactions: number;
  readonly lostTransactions: number;
  readonly longestReadMs: number;
  readonly longestWriteMs: number;
}

const MiB = 1 << 20;
const fioMiB = 24;
/** Ends of runs are waited for so long: every request may first wait for a gateway. */
const endDeadlineMs = 180_000;

/**
 * Programs that use a mount all the time and notice every wrong byte: fio on one volume, SQLite in
 * an ext4 on another one, and two blocks of which one is read and one written without end, which
 * tells how long the longest pause of each was.
 */
export class Load implements AsyncDisposable {
  readonly mount: TestMount;
  readonly #stack = new AsyncDisposableStack();
  readonly #volumes: { readonly fio: string; readonly database: string };
  readonly #log: string;
  #loop: LoopMount | null = null;
  #database: Child | null = null;
  #reader: Child | null = null;
  #writer: Child | null = null;
  #fio: Promise<void> | null = null;
  #over = false;
  #fioRuns = 0;
  readonly #fioErrors: string[] = [];

  private constructor(mount: TestMount, volumes: { fio: string; database: string }) {
    this.#stack.use(mount);
    this.mount = mount;
    this.#volumes = volumes;
    this.#log = join(this.#stack.use(new TemporaryFolder()).path, "acknowledged");
  }

  static async start(cluster: TestCluster): Promise<Load> {
    const size = `${fioMiB + 1}M`;
    const fio = await cluster.createVdi("fio", { size, objectSize: "1M" });
    const database = await cluster.createVdi("database", { size: "4G" });
    const args = ["--attach", fio, "--attach", database];
    const load = new Load(await mountSheepfs(cluster, { args }), { fio, database });
    try {
      await load.#begin();
      return load;
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The address of the gateway that the mount uses. */
  async gateway(): Promise<string> {
    const text = await readFile(this.mount.file("config", "sheep_info"), "utf8");
    return /^[^,\s]*/.exec(text)?.[0] ?? "";
  }

  /** Waits until both blocks were used again since now. */
  async moves(): Promise<void> {
    for (const child of [this.#reader, this.#writer]) {
      if (child === null) continue;
      const now = last(child, count);
      // One operation may have been under way already.
      const moved = (): true | null => (last(child, count) > now + 1 ? true : null);
      await child.until(moved, "progress", endDeadlineMs);
    }
  }

  /**
   * Ends everything in order and looks at what is there.
   * @throws Error when a file system or database is not whole
   */
  async end(): Promise<LoadReport> {
    this.#over = true;
    await this.#fio;
    const pauses = {
      longestReadMs: last(this.#reader, longest),
      longestWriteMs: last(this.#writer, longest),
    };
    for (const child of [this.#reader, this.#writer, this.#database]) {
      child?.kill("SIGTERM");
      const exitCode = await child?.exit(endDeadlineMs);
      if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${child?.stderr}`);
    }
    await this.#loop?.unmount();
    const volume = this.mount.file("volume", this.#volumes.database);
    await must(["e2fsck", "-f", "-n", volume], { deadlineMs: endDeadlineMs });
    await using loop = new LoopMount();
    const file = join(await loop.mount(volume), "database");
    const check = [process.execPath, databaseProgram, "check", file, this.#log];
    const { transactions, lost } = JSON.parse(await must(check, { deadlineMs: endDeadlineMs }));
    await loop.unmount();
    const runs = { fioRuns: this.#fioRuns, fioErrors: this.#fioErrors };
    return { ...runs, transactions, lostTransactions: lost, ...pauses };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#stack[Symbol.asyncDispose]();
  }

  async #begin(): Promise<void> {
    const { fio, database } = this.#volumes;
    const volume = this.mount.file("volume", database);
    await must(["mkfs.ext4", "-q", "-F", volume]);
    this.#loop = this.#stack.use(new LoopMount());
    const file = join(await this.#loop.mount(volume), "database");
    const write = [process.execPath, databaseProgram, "write", file, this.#log];
    this.#database = this.#stack.use(start(write));
    await this.#database.until(({ stdout }) => (stdout.includes("ready") ? true : null), "start");
    const path = this.mount.file("volume", fio);
    const pause = (what: string, at: number): Child =>
      this.#stack.use(start([process.execPath, pauseProgram, path, String(at), what]));
    this.#reader = pause("read", fioMiB * MiB);
    this.#writer = pause("write", fioMiB * MiB + 4096);
    this.#fio = this.#runFio(path);
    await this.moves();
  }

  /** One run after the other, each reading back all that it wrote. */
  async #runFio(path: string): Promise<void> {
    while (!this.#over) {
      await using child = start(["fio", ...fioArguments(path)], { cwd: "/" });
      const exitCode = await child.exit(endDeadlineMs);
      this.#fioRuns += 1;
      if (exitCode !== 0) this.#fioErrors.push(`exit ${exitCode}: ${child.stderr}`);
    }
  }
}

const count = /count (\d+)\n/g;
const longest = /longest (\d+)\n/g;

/** The last number that it said in such a line. */
function last(child: Child | null, line: RegExp): number {
  const found = [...(child?.stdout ?? "").matchAll(line)].at(-1);
  return Number(found?.[1] ?? 0);
}

const databaseProgram = join(import.meta.dirname, "database-child.ts");
const pauseProgram = join(import.meta.dirname, "pause-child.ts");

function fioArguments(path: string): string[] {
  return [
    ...["--name=faults", `--filename=${path}`, `--size=${fioMiB}m`, "--bsrange=4k-256k"],
    ...["--rw=randwrite", "--ioengine=libaio", "--iodepth=16", "--direct=1", "--thread"],
    ...["--verify=crc32c", "--verify_state_save=0", "--verify_fatal=1", "--do_verify=1"],
    ...["--rate=8m", "--verify_backlog=64", "--end_fsync=1", "--output-format=terse"],
  ];
}
