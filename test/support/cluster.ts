import { join } from "node:path";
import { type Child, must, sheepfsBinary, start, TemporaryFolder } from "./process.ts";

export interface VdiWish {
  readonly size: string;
  readonly objectSize?: string;
}

/** A cluster to test against: an embedded sheep of our own, or the one that the tester named. */
export interface TestCluster extends AsyncDisposable {
  /** HOST:PORT of a gateway. */
  readonly address: string;
  /** False when it is the tester's own cluster: leave nothing behind, and do not restart it. */
  readonly embedded: boolean;
  /** Creates a VDI under a name that nobody else uses; it is deleted with the cluster. */
  createVdi(label: string, wish: VdiWish): Promise<string>;
}

export interface EmbeddedSheep extends TestCluster {
  readonly dir: string;
  readonly child: Child;
  /** @param address where to ask for it, when not where it listens */
  createVdi(label: string, wish: VdiWish, address?: string): Promise<string>;
  /** Ends the process with this signal. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts another one on the same directory and port. */
  start(): Promise<void>;
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

let vdiCount = 0;

/** The cluster that `SHEEPFS_TEST_SHEEP` names, else an embedded sheep. */
export async function startCluster(options: SheepOptions = {}): Promise<TestCluster> {
  const address = process.env["SHEEPFS_TEST_SHEEP"];
  return address === undefined ? await startSheepProcess(options) : new NamedCluster(address);
}

export interface SheepOptions {
  readonly copies?: number;
  /** Folder that its directory is made in. */
  readonly parent?: string;
  /** HOST:PORT, port 0 for any. */
  readonly listen?: string;
  /** What runs the program, e.g. in another namespace. */
  readonly wrap?: readonly string[];
}

/** An embedded sheep in a process of its own, for tests that stop it or look into its directory. */
export async function startSheepProcess(options: SheepOptions = {}): Promise<EmbeddedSheep> {
  const folder = new TemporaryFolder(options.parent);
  try {
    const dir = join(folder.path, "sheep");
    const copies = options.copies ?? 1;
    const { listen = "127.0.0.1:0", wrap = [] } = options;
    const command = { dir, copies, wrap };
    return new ProcessCluster(folder, command, await startSheep(command, listen));
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

interface SheepCommand {
  readonly dir: string;
  readonly copies: number;
  readonly wrap: readonly string[];
}

async function startSheep({ dir, copies, wrap }: SheepCommand, listen: string): Promise<Child> {
  const binary = await sheepfsBinary();
  const args = ["sheep", "--dir", dir, "--listen", listen, "--copies", String(copies)];
  const child = start([...wrap, binary, ...args]);
  try {
    await child.until(addressIn, "address");
    return child;
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** `sheepfs sheep` says where it listens in its first line of output. */
function addressIn(child: Child): string | null {
  return /(\S+:[0-9]+)\n/.exec(child.stdout)?.[1] ?? null;
}

export class NamedCluster implements TestCluster {
  readonly address: string;
  readonly embedded: boolean = false;
  readonly #created: string[] = [];

  constructor(address: string) {
    this.address = address;
  }

  async createVdi(label: string, wish: VdiWish): Promise<string> {
    vdiCount += 1;
    const name = `sheepfs-test-${process.pid}-${vdiCount}-${label}`;
    await createVdi(this.address, name, wish);
    this.#created.push(name);
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const binary = await sheepfsBinary();
    for (const name of this.#created) {
      await must([binary, "vdi", "delete", name, "-s", this.address, "--yes"]);
    }
  }
}

class ProcessCluster implements EmbeddedSheep {
  readonly address: string;
  readonly embedded = true;
  readonly dir: string;
  readonly #folder: TemporaryFolder;
  readonly #command: SheepCommand;
  #child: Child;

  constructor(folder: TemporaryFolder, command: SheepCommand, child: Child) {
    this.#folder = folder;
    this.dir = command.dir;
    this.#command = command;
    this.#child = child;
    this.address = addressIn(child) ?? "";
  }

  get child(): Child {
    return this.#child;
  }

  async createVdi(label: string, wish: VdiWish, address = this.address): Promise<string> {
    vdiCount += 1;
    const name = `${label}${vdiCount}`;
    await createVdi(address, name, wish);
    return name;
  }

  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.#child.exit();
  }

  async start(): Promise<void> {
    this.#child = await startSheep(this.#command, this.address);
  }

  async restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

async function createVdi(address: string, name: string, wish: VdiWish): Promise<void> {
  const objectSize = wish.objectSize === undefined ? [] : ["--object-size", wish.objectSize];
  const size = ["--size", wish.size];
  await must([await sheepfsBinary(), "vdi", "create", name, ...size, ...objectSize, "-s", address]);
}
