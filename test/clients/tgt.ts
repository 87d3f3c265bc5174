import { freePort } from "../support/ports.ts";
import { type Child, must, run, start } from "../support/process.ts";

const targetName = "iqn.2026-11.test:sd";

/**
 * Debian's tgt with its sheepdog backing store: an iSCSI target whose only disk is a VDI. It shares
 * no code with us and speaks to the sheep by itself.
 */
export class TgtDisk implements AsyncDisposable {
  /** What QEMU and libiscsi call the disk. */
  readonly url: string;
  readonly #daemon: Child;
  readonly #control: readonly string[];

  private constructor(daemon: Child, control: readonly string[], port: number) {
    this.#daemon = daemon;
    this.#control = control;
    this.url = `iscsi://127.0.0.1:${port}/${targetName}/1`;
  }

  /** @param cluster at a port of four digits: tgt cuts longer ones */
  static async start(cluster: { readonly address: string }, vdi: string): Promise<TgtDisk> {
    const port = await freePort();
    // Daemons are told apart by a number; a port is one that nobody else has.
    const number = String(port % 32_768);
    const daemon = start(["tgtd", "-f", "-C", number, "--iscsi", `portal=127.0.0.1:${port}`]);
    const disk = new TgtDisk(daemon, ["tgtadm", "-C", number, "--lld", "iscsi"], port);
    try {
      await disk.#until(["--op", "show", "--mode", "target"]);
      const target = ["--mode", "target", "--tid", "1"];
      const store = ["--bstype", "sheepdog", "--backing-store", `tcp:${cluster.address}:${vdi}`];
      await disk.#tell(["--op", "new", ...target, "-T", targetName]);
      const unit = ["--mode", "logicalunit", "--tid", "1", "--lun", "1"];
      await disk.#tell(["--op", "new", ...unit, ...store]);
      await disk.#tell(["--op", "bind", ...target, "-I", "ALL"]);
      return disk;
    } catch (error) {
      await disk[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Ends in order, so that everything is written and the VDI released. */
  async [Symbol.asyncDispose](): Promise<void> {
    const unit = ["--mode", "logicalunit", "--tid", "1", "--lun", "1"];
    await run([...this.#control, "--op", "delete", ...unit]);
    await run([...this.#control, "--op", "delete", "--mode", "target", "--tid", "1", "--force"]);
    await run([...this.#control, "--op", "delete", "--mode", "system"]);
    await this.#daemon[Symbol.asyncDispose]();
  }

  async #tell(words: readonly string[]): Promise<void> {
    await must([...this.#control, ...words]);
  }

  async #until(words: readonly string[]): Promise<void> {
    for (let count = 0; count < 200; count += 1) {
      if (!this.#daemon.running) break;
      if ((await run([...this.#control, ...words])).exitCode === 0) return;
      await Bun.sleep(25);
    }
    throw new Error(`tgtd does not answer: ${this.#daemon.stderr}`);
  }
}
