import { silentLogger } from "../../../src/base/log.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import type { HttpResponse } from "../../../src/http/exchange.ts";
import { EventHub, NodeIds } from "../../../src/tree/events.ts";
import type { Node, OpenFile } from "../../../src/tree/node.ts";
import { scratchDir } from "../../../src/tree/scratch.ts";
import { FileReads } from "../../../src/webdav/content/send-file.ts";
import { FileWrites } from "../../../src/webdav/content/write-file.ts";
import { Departures } from "../../../src/webdav/locks/departures.ts";
import { LockTable } from "../../../src/webdav/locks/locks.ts";
import { DeadProperties } from "../../../src/webdav/properties/dead-properties.ts";
import { AnswerMemory } from "../../../src/webdav/properties/multistatus.ts";
import { route } from "../../../src/webdav/router.ts";
import type { Site } from "../../../src/webdav/site.ts";
import {
  MemoryControl,
  MemoryDir,
  MemoryText,
  MemoryTree,
  MemoryVolume,
} from "../fuse/memory-tree.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { fieldOf, requestOf, textOf } from "./requests.ts";

export interface Asking {
  /** Fields in lower case. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Does not say how long the body is. */
  readonly chunked?: boolean;
  /** Who has logged in. */
  readonly user?: string;
}

/** What came back, with what tests look at. */
class Answer {
  readonly response: HttpResponse;
  /** Of an answer that is text. */
  readonly text: string;

  constructor(response: HttpResponse, text: string) {
    this.response = response;
    this.text = text;
  }

  get status(): number {
    return this.response.status;
  }

  field(name: string): string | null {
    return fieldOf(this.response, name);
  }

  /** Of a LOCK. */
  get token(): string {
    return this.field("lock-token")?.slice(1, -1) ?? "";
  }
}

export interface WorldOptions {
  readonly readOnly?: boolean;
  readonly basePath?: string;
  /** Beside what is there anyway. */
  readonly children?: Record<string, Node>;
}

/** A tree of every kind of node, and the server in front of it without any socket. */
export class DavWorld {
  readonly clock = new ManualClock();
  /** Lines that vdi/mount was given. */
  readonly commands: string[] = [];
  readonly volume = new WritableVolume(4096);
  readonly tree: MemoryTree;
  readonly site: Site;

  constructor({ readOnly = false, basePath = "", children = {} }: WorldOptions = {}) {
    const { clock } = this;
    const random = seededRandom(1);
    const snapshot = new MemoryVolume(4096, { immutable: true, writable: false });
    const root = new MemoryDir({
      cluster: new MemoryDir({ info: new MemoryText("one\n") }),
      vdi: new MemoryDir({ mount: new MemoryControl((line) => void this.commands.push(line)) }),
      volume: new MemoryDir({ big: this.volume, "big@1": snapshot }),
      scratch: scratchDir({ ids: new NodeIds(), clock, events: new EventHub() }),
      ...children,
    });
    const locks = new LockTable({ clock, random });
    const properties = new DeadProperties();
    const departures = new Departures({ locks, properties });
    this.tree = new MemoryTree(root);
    this.tree.events.on((event) => departures.told(event));
    this.site = {
      ...{ tree: this.tree, clock, log: silentLogger, readOnly, basePath },
      ...{ locks, properties, departures },
      answers: new AnswerMemory(),
      reads: new FileReads({ clock, random }),
      writes: new FileWrites(clock),
      wallMs: () => clock.wallMs(),
    };
  }

  async ask(method: string, target: string, asking: Asking = {}): Promise<Answer> {
    const { fields = {}, body = "", chunked = false, user = null } = asking;
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const request = requestOf(
      method,
      { host: "here:80", ...fields },
      { target, body: bodyOf(bytes, chunked) },
    );
    const response = await route(request, user, this.site);
    return new Answer(response, await allText(response));
  }

  /** For what has to succeed. */
  async must(method: string, target: string, asking: Asking = {}): Promise<Answer> {
    const answer = await this.ask(method, target, asking);
    if (answer.status >= 300)
      throw new Error(`${method} ${target}: ${answer.status} ${answer.text}`);
    return answer;
  }

  /** The names in a directory. */
  async names(path: string): Promise<string[]> {
    const { text } = await this.must("PROPFIND", path, { fields: { depth: "1" } });
    return hrefsIn(text).filter((href) => href !== path);
  }
}

/** One that can be written in either way. */
class WritableVolume extends MemoryVolume {
  override open(): OpenFile {
    const write = (from: Uint8Array, offset: number): number => {
      this.bytes.set(from, offset);
      return from.length;
    };
    return { ...super.open(), write };
  }
}

/** Also of a long answer in XML, which is streamed; it is released then. */
async function allText(response: HttpResponse): Promise<string> {
  const { body } = response;
  const isXml = fieldOf(response, "content-type")?.startsWith("application/xml") === true;
  if (!isXml || body === null || typeof body === "string" || !("send" in body)) {
    return textOf(response);
  }
  let text = "";
  const write = (bytes: Uint8Array, at: number, length: number): void => {
    text += new TextDecoder().decode(bytes.subarray(at, at + length));
  };
  const fail = (): void => {};
  await body.send({ offer: () => 0, write, fail }, new CancelScope(Number.POSITIVE_INFINITY));
  body.release();
  return text;
}

export function hrefsIn(xml: string): string[] {
  return [...xml.matchAll(/<D:response><D:href>([^<]*)</g)].map(([, href = ""]) => href);
}

function bodyOf(bytes: Uint8Array, chunked: boolean) {
  let at = 0;
  return {
    failure: null,
    announcedBytes: chunked ? null : bytes.length,
    next: () => {
      const part = bytes.slice(at, at + 7);
      at += part.length;
      return part.length === 0 ? null : part;
    },
    take: (into: Uint8Array, from: number, length: number) => {
      const part = bytes.subarray(at, at + length);
      into.set(part, from);
      at += part.length;
      return part.length === 0 ? -1 : part.length;
    },
    more: async () => {},
  };
}

export const lockBody = (scope: "exclusive" | "shared", owner = ""): string =>
  `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope>` +
  `<D:locktype><D:write/></D:locktype>${owner}</D:lockinfo>`;
