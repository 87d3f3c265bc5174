import { type Connection, connect } from "../../src/app/connect.ts";
import { parseAddress } from "../../src/base/address.ts";
import { asSheepfsError, type ErrorCode } from "../../src/base/errors.ts";
import { limits } from "../../src/base/limits.ts";
import { silentLogger } from "../../src/base/log.ts";
import { deadlineScope, type Scope } from "../../src/base/scope.ts";
import { clusterInfo } from "../../src/cluster/info.ts";
import { listNodes } from "../../src/cluster/nodes.ts";
import { findVdi } from "../../src/cluster/resolve.ts";
import { realClock } from "../../src/sys/clock.ts";
import { clusterRequest } from "../../src/wire/header.ts";
import { type Oid, readOid } from "../../src/wire/oid.ts";
import { writeText } from "../conformance/driver.ts";
import type { Subject } from "../conformance/subject.ts";
import { treeKind } from "../conformance/tree-subject.ts";
import type { TestCluster } from "../support/cluster.ts";
import type { Kind } from "./model.ts";

/** An object, and how many nodes have it. */
export interface Stored {
  readonly oid: Oid;
  copies: number;
}

type Defaults = Pick<Kind, "copies" | "copyPolicy" | "objectBytes">;

const options = { pageCache: false, readOnly: false, attach: [] };

/** The tree as its users have it, and beside it commands and what an operator can look at. */
export class World implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly nodes: number;
  readonly defaults: Defaults;
  readonly #connection: Connection;
  #subject: Subject;

  private constructor(
    cluster: TestCluster,
    facts: { readonly nodes: number; readonly defaults: Defaults },
    connection: Connection,
    subject: Subject,
  ) {
    this.cluster = cluster;
    this.nodes = facts.nodes;
    this.defaults = facts.defaults;
    this.#connection = connection;
    this.#subject = subject;
  }

  static async open(cluster: TestCluster): Promise<World> {
    const gateways = [parseAddress(cluster.address)];
    const connection = connect({ gateways, objectCache: false, wants: "soon", log: silentLogger });
    const scope = deadlineScope(realClock, limits.operationTimeoutMs);
    const { defaults } = await clusterInfo(connection.client, scope);
    const { nodes } = await listNodes(connection.client, scope);
    const { copies, copyPolicy, blockSizeShift } = defaults;
    const facts = {
      nodes: nodes.length,
      defaults: { copies, copyPolicy, objectBytes: 2 ** blockSizeShift },
    };
    return new World(cluster, facts, connection, await treeKind.start(cluster, options));
  }

  get subject(): Subject {
    return this.#subject;
  }

  /** The client that commands are done with. */
  get caller() {
    return this.#connection.client;
  }

  get gateways() {
    return [parseAddress(this.cluster.address)];
  }

  scope(): Scope {
    return deadlineScope(realClock, limits.operationTimeoutMs);
  }

  /** Of the inode and of what counts references. */
  inodeCopies({ copies }: Kind): number {
    return copies;
  }

  /** Ends the tree, which detaches everything, and begins another one. */
  async restart(): Promise<void> {
    await this.#subject[Symbol.asyncDispose]();
    this.#subject = await treeKind.start(this.cluster, options);
  }

  /** The tree looks at the cluster anew: by itself it may show what is a second old. */
  async lookAgain(): Promise<void> {
    await writeText(this.#subject, "config/sheep_info", `${this.cluster.address}\n`);
  }

  /** The vid of a working VDI. */
  async vidOf(name: string): Promise<{ readonly vid: number; readonly snapId: number }> {
    const header = await findVdi(
      this.caller,
      { name: new TextEncoder().encode(name), snapshot: null },
      this.scope(),
    );
    if (header === null) throw new Error(`there is no working VDI '${name}'`);
    return header;
  }

  /** Every object that some node has. */
  async objects(): Promise<Map<string, Stored>> {
    const { nodes } = await listNodes(this.caller, this.scope());
    const stored = new Map<string, Stored>();
    for (const node of nodes) {
      const request = clusterRequest("getObjectList", {}, { receiveBytes: limits.replyBytesMax });
      const { data } = await this.caller.callAt(node, request, this.scope());
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      for (let at = 0; at < data.length; at += 8) {
        const oid = readOid(view, at);
        if (oid === null) throw new Error(`a node lists an object of no kind`);
        const key = objectKey(oid);
        const known = stored.get(key);
        if (known === undefined) stored.set(key, { oid, copies: 1 });
        else known.copies += 1;
      }
    }
    return stored;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subject[Symbol.asyncDispose]();
    await this.#connection[Symbol.asyncDispose]();
  }
}

export function objectKey({ kind, vid, index }: Oid): string {
  return `${kind} ${vid.toString(16)} ${index}`;
}

/** Does something that has to succeed, or with a code has to fail so. */
export async function outcome(work: () => Promise<unknown>, code: ErrorCode | null): Promise<void> {
  let ended: ErrorCode | null = null;
  let text = "";
  try {
    await work();
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    if (error.code === "internal") throw thrown;
    ended = error.code;
    text = error.message;
  }
  if (ended === code) return;
  throw new Error(`${ended ?? "success"} where ${code ?? "success"} was expected ${text}`);
}
