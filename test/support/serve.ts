import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TestCluster } from "./cluster.ts";
import { tearDown } from "./mount.ts";
import { type Child, sheepfsBinary, start, TemporaryFolder } from "./process.ts";

export interface ServeOptions {
  /** Further arguments of `sheepfs serve`. */
  readonly args?: readonly string[];
  /** Mounts the same tree from the same process. */
  readonly mount?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** A cluster served over WebDAV by a child process; ended when disposed, whatever happened. */
export class TestServer implements AsyncDisposable {
  /** Of the tree's root, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly child: Child;
  readonly #folder: TemporaryFolder;
  readonly #mountPath: string | null;

  constructor(folder: TemporaryFolder, mountPath: string | null, child: Child, url: string) {
    this.#folder = folder;
    this.#mountPath = mountPath;
    this.child = child;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /** Address of a file or directory; each name is encoded. */
  at(...names: string[]): string {
    return [this.url, ...names.map(encodeURIComponent)].join("/");
  }

  /** Path of the same in the mount. */
  file(...names: string[]): string {
    if (this.#mountPath === null) throw new Error("this server does not mount");
    return join(this.#mountPath, ...names);
  }

  /** What a client does to attach a volume. */
  async attach(name: string): Promise<void> {
    const answer = await fetch(this.at("vdi", "mount"), { method: "PUT", body: `${name}\n` });
    if (!answer.ok) throw new Error(`attach ${name}: ${answer.status} ${await answer.text()}`);
  }

  /** Ends the server as SIGTERM does. @returns its exit code */
  async stop(): Promise<number> {
    this.child.kill("SIGTERM");
    return await this.child.exit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.child.running) await this.stop();
    } catch (error) {
      // The test has failed or will: say why, and leave nothing running.
      console.error(error);
    }
    await release(this.#folder, this.#mountPath, this.child);
  }
}

/** Serves in a child process and returns when the tree can be reached. */
export async function startServe(
  cluster: TestCluster,
  options: ServeOptions = {},
): Promise<TestServer> {
  const folder = new TemporaryFolder();
  const mountPath = options.mount === true ? join(folder.path, "mnt") : null;
  if (mountPath !== null) mkdirSync(mountPath);
  const mounting = mountPath === null ? [] : ["--mount", mountPath];
  const line = ["serve", "--webdav", "127.0.0.1:0", "-s", cluster.address, "-f", ...mounting];
  const command = [await sheepfsBinary(), ...line, ...(options.args ?? [])];
  const child = start(command, options.env === undefined ? {} : { env: options.env });
  try {
    const url = await child.until((running) => urlIn(running, mountPath), "address");
    return new TestServer(folder, mountPath, child, url);
  } catch (error) {
    await release(folder, mountPath, child);
    throw error;
  }
}

function urlIn({ stdout, stderr }: Child, mountPath: string | null): string | null {
  const said = `${stdout}\n${stderr}`;
  if (mountPath !== null && !said.includes(` on ${mountPath}`)) return null;
  const url = /(https?:\/\/127\.0\.0\.1:[1-9][0-9]*[^\s]*?)\/?\s/.exec(said)?.[1];
  return url ?? null;
}

async function release(
  folder: TemporaryFolder,
  mountPath: string | null,
  child: Child,
): Promise<void> {
  if (mountPath !== null) tearDown(mountPath);
  await child[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
}
