import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tearDown } from "../support/mount.ts";
import { must, type Outcome, run, TemporaryFolder } from "../support/process.ts";

/** One access to a mount that may hang: davfs2 waits for the server without an end of its own. */
const accessDeadlineMs = 15_000;

/**
 * `mount -t davfs`, with a configuration of its own. Everything in it is touched by child processes
 * only, so that a hung davfs2 costs a deadline and not the test.
 */
export class DavfsMount implements AsyncDisposable {
  readonly path: string;
  readonly #folder: TemporaryFolder;
  readonly #cache: string;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
    this.path = join(folder.path, "mnt");
    this.#cache = join(folder.path, "cache");
  }

  static async at(url: string, options: { readonly locks: boolean }): Promise<DavfsMount> {
    const mount = new DavfsMount(new TemporaryFolder());
    try {
      await mount.#start(url, options.locks);
      return mount;
    } catch (error) {
      await mount[Symbol.asyncDispose]();
      throw error;
    }
  }

  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Runs a line of shell in the mount's root. */
  async shell(line: string): Promise<Outcome> {
    const command = ["bash", "-c", `cd "$0" && ${line}`, this.path];
    return await run(command, { deadlineMs: accessDeadlineMs });
  }

  /** The same, where the line has to succeed. @returns what it printed */
  async mustShell(line: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.shell(line);
    if (exitCode !== 0) throw new Error(`${line}: exit ${exitCode}\n${stderr}${stdout}`);
    return stdout;
  }

  /** As its user unmounts: what is still to be uploaded is uploaded first. */
  async unmount(): Promise<void> {
    await must(["umount", this.path], { deadlineMs: accessDeadlineMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    tearDown(this.path);
    for (const pid of this.#daemons()) process.kill(pid, "SIGKILL");
    this.#folder[Symbol.dispose]();
  }

  async #start(url: string, locks: boolean): Promise<void> {
    // davfs2 runs as a user of its own, who has to get here.
    chmodSync(this.#folder.path, 0o711);
    mkdirSync(this.path);
    mkdirSync(this.#cache);
    await must(["chown", "root:davfs2", this.#cache]);
    chmodSync(this.#cache, 0o775);
    const config = join(this.#folder.path, "davfs2.conf");
    const secrets = join(this.#folder.path, "secrets");
    // Linux since 6.16 asks for more directory entries at once than fit into the usual buffer.
    const lines = [
      ...["buf_size 64", "ask_auth 0", "delay_upload 0", `use_locks ${locks ? 1 : 0}`],
      ...[`secrets ${secrets}`, `cache_dir ${this.#cache}`, "backup_dir davfs2-lost"],
    ];
    writeFileSync(config, `${lines.join("\n")}\n`, { mode: 0o600 });
    writeFileSync(secrets, "", { mode: 0o600 });
    await must(["mount", "-t", "davfs", "-o", `conf=${config}`, `${url}/`, this.path], {
      deadlineMs: accessDeadlineMs,
    });
  }

  #daemons(): number[] {
    const folder = "/run/mount.davfs";
    const name = `${this.path.slice(1).replaceAll("/", "-")}.pid`;
    try {
      const text = readFileSync(join(folder, name), "utf8");
      rmSync(join(folder, name), { force: true });
      return [Number(text.trim())].filter((pid) => pid > 1 && isDavfs(pid));
    } catch {
      // It has ended, and taken its file with it.
      return [];
    }
  }
}

function isDavfs(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("mount.davfs");
}
