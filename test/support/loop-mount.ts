import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { must, TemporaryFolder } from "./process.ts";

/** A loop device with an ext4 mounted from it; both gone when disposed. */
export class LoopMount implements AsyncDisposable {
  readonly folder = new TemporaryFolder();
  #device: string | null = null;
  #mounted = false;

  async mount(file: string): Promise<string> {
    const path = join(this.folder.path, "ext4");
    mkdirSync(path, { recursive: true });
    this.#device = (await must(["losetup", "--find", "--show", "--direct-io=on", file])).trim();
    await must(["mount", this.#device, path]);
    this.#mounted = true;
    return path;
  }

  async unmount(): Promise<void> {
    const deadlineMs = 60_000;
    if (this.#mounted) await must(["umount", join(this.folder.path, "ext4")], { deadlineMs });
    this.#mounted = false;
    if (this.#device !== null) await this.#detach(this.#device);
    this.#device = null;
  }

  /** @throws Error when another mount namespace still uses it: nothing of it may be looked at then */
  async #detach(device: string): Promise<void> {
    await must(["losetup", "--detach", device]);
    const left = (
      await must(["losetup", "--list", "--noheadings", "--output=BACK-FILE", device])
    ).trim();
    if (left !== "") throw new Error(`still in use after it was unmounted: ${left}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmount();
    this.folder[Symbol.dispose]();
  }
}
