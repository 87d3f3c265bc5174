import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { lockFile } from "../../sys/file-lock.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/** A folder that is taken away so often while it is made is not to be had. */
const makesMax = 10;

/** A folder for files of one import. It is locked as long as that runs, so that others know. */
export class SpoolFolder implements Disposable {
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Makes one, and removes those of that prefix whose import was killed.
   * @throws what `mkdtemp` throws
   */
  static make(parent: string, prefix: string): SpoolFolder {
    removeLeft(parent, prefix);
    for (let makes = 1; ; makes += 1) {
      const path = mkdtempSync(join(parent, prefix));
      const fd = opened(path);
      if (fd !== null) lockFile(fd);
      // Until it was locked it looked like one that was left.
      if (fd !== null && existsSync(path)) return new SpoolFolder(path, fd);
      if (fd !== null) closeSync(fd);
      if (makes === makesMax) throw new Error(`'${path}' was removed while it was made`);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
    closeSync(this.#fd);
  }
}

/** Where it cannot be known whether somebody has one, as on NFS, it stays. */
function removeLeft(parent: string, prefix: string): void {
  for (const name of namesIn(parent)) {
    if (!name.startsWith(prefix) || !/^[A-Za-z0-9]{6}$/.test(name.slice(prefix.length))) continue;
    const path = join(parent, name);
    const fd = opened(path);
    if (fd === null) continue;
    try {
      if (fstatSync(fd).uid !== process.getuid?.() || !lockFile(fd)) continue;
      rmSync(path, { recursive: true, force: true });
    } catch {
      // It is in nobody's way.
    } finally {
      closeSync(fd);
    }
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function opened(path: string): number | null {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch {
    return null;
  }
}
