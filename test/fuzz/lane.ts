import { type RawAnswer, RawConnection, requestHead } from "../support/raw-http.ts";
import { ambiguousShot, lineShot, mangledShot, pathShot } from "./broken-shots.ts";
import { controlShot, davShot } from "./dav-shots.ts";
import { Dice } from "./dice.ts";
import type { Shot } from "./shot.ts";
import { type Target, volumeShots } from "./volume-shots.ts";

const batchMax = 16;

/**
 * Every status that the documents promise. Of those above 499: a method that is none of ours, a
 * destination on another server, a version that is not spoken, no space.
 */
const documented = new Set([
  ...[
    200, 201, 204, 206, 207, 301, 304, 400, 403, 404, 405, 409, 411, 412, 413, 414, 415, 416, 417,
    421,
  ],
  ...[422, 423, 424, 426, 428, 429, 431, 501, 502, 505, 507],
]);

/** What one lane has seen. */
export interface Tally {
  shots: number;
  answers: number;
  writes: number;
  refusals: number;
  connections: number;
  readonly statuses: Map<number, number>;
}

/**
 * One client with a volume of its own, whose content it knows to the byte. All that it does comes
 * from its seed; what other lanes do cannot change what it expects.
 */
export class Lane {
  readonly tally: Tally = {
    ...{ shots: 0, answers: 0, writes: 0, refusals: 0, connections: 0 },
    statuses: new Map(),
  };
  readonly #dice: Dice;
  readonly #port: number;
  readonly #target: Target;
  readonly #wild: Target;
  readonly #model: Buffer;
  #connection: RawConnection | null = null;
  #mood: (keyof typeof makers)[] = [];

  constructor(options: { seed: number; port: number; target: Target; wild: Target }) {
    this.#dice = new Dice(options.seed);
    this.#port = options.port;
    this.#target = options.target;
    this.#wild = options.wild;
    this.#model = Buffer.alloc(options.target.sizeBytes);
  }

  /** Sends so many requests and checks every answer. @throws Error that tells the request */
  async run(shots: number): Promise<void> {
    for (let left = shots; left > 0; ) {
      const batch = this.#makeBatch(Math.min(left, 1 + this.#dice.below(batchMax)));
      left -= batch.length;
      await this.#play(batch);
    }
    await this.check();
  }

  /** The volume holds what was asked for and nothing else; asked on a connection of its own. */
  async check(): Promise<void> {
    using connection = await RawConnection.open(this.#port);
    const { status, body } = await connection.ask(`GET ${this.#target.path}`);
    if (status !== 200) throw new Error(`a plain GET of ${this.#target.path} gives ${status}`);
    this.#compare(body, 0, "a read at the end");
  }

  close(): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = null;
  }

  #makeBatch(wanted: number): Shot[] {
    // For a while some kinds of requests do not come at all, so that others follow each other.
    if (this.#mood.length === 0 || this.#dice.oneIn(8)) {
      this.#mood = kinds.filter((kind) => this.#dice.oneIn(kind in lasts ? 4 : 2));
      if (this.#mood.length === 0) this.#mood = ["volume"];
    }
    const batch: Shot[] = [];
    while (batch.length < wanted) {
      const [first = "volume", ...rest] = this.#mood;
      const shot = makers[this.#dice.pick([first, ...rest])](this.#dice, this.#target, this.#wild);
      batch.push(shot);
      if (shot.last === true) break;
    }
    return batch;
  }

  async #play(batch: readonly Shot[]): Promise<void> {
    const connection = await this.#connect();
    this.tally.shots += batch.length;
    connection.send(Buffer.concat(batch.map(({ bytes }) => bytes)));
    const broken = batch.at(-1)?.last === true;
    if (broken) connection.socket.end();
    const locks: string[] = [];
    for (const shot of batch) {
      const answer = await this.#answer(connection, shot);
      if (answer === null) break;
      const token = answer.headers.get("lock-token");
      if (shot.method === "LOCK" && token !== undefined) locks.push(`${shot.what} ${token}`);
      if (answer.headers.get("connection")?.toLowerCase() !== "close") continue;
      await this.#drain(connection, shot);
      break;
    }
    if (broken) await this.#drain(connection, batch.at(-1));
    if (connection.ended) this.close();
    await this.#unlock(locks);
  }

  /** One answer, judged; null when the connection ended in its place. */
  async #answer(connection: RawConnection, shot: Shot): Promise<RawAnswer | null> {
    try {
      const kind = shot.method === "HEAD" && shot.last !== true ? "no-body" : "body";
      const answer = await connection.answer(kind, 15_000);
      if (answer !== null) this.#judge(shot, answer);
      else if (shot.last !== true) throw new Error("the connection ended without an answer");
      return answer;
    } catch (error) {
      if (shot.method === "HEAD" && shot.last === true) return null;
      throw new Error(`${shot.what}: ${String(error)}\n${printable(shot.bytes)}`, { cause: error });
    }
  }

  /** What else comes until the end: after bytes that are no request, further answers or none. */
  async #drain(connection: RawConnection, shot: Shot | undefined): Promise<void> {
    try {
      for (;;) {
        const answer = await connection.answer("body", 15_000);
        if (answer === null) break;
        this.#count(answer, shot?.what ?? "");
      }
    } catch (error) {
      // A mangled method may be HEAD, whose answer has no body: only silence is a fault.
      if (String(error).includes("deadline")) throw error;
    }
    connection[Symbol.dispose]();
    this.close();
  }

  #judge(shot: Shot, answer: RawAnswer): void {
    const { status, body } = answer;
    this.#count(answer, shot.what);
    const success = status < 300;
    if (shot.mustRefuse === true && success) throw new Error(`not refused: ${status}`);
    if (shot.mustDo === true && !success && status !== 423) {
      throw new Error(`refused: ${status} ${body.toString("utf8", 0, 300)}`);
    }
    if (!success) this.tally.refusals += 1;
    if (success && shot.effect !== undefined && shot.method !== "GET") {
      this.tally.writes += 1;
      shot.effect.bytes.copy(this.#model, shot.effect.offset);
    }
    if (success && shot.reading !== undefined && shot.method === "GET") {
      this.#judgeReading(shot.reading.range, answer);
    }
  }

  #judgeReading(
    asked: { readonly from: number; readonly to: number } | null | "any",
    { status, headers, body }: RawAnswer,
  ): void {
    const told = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get("content-range") ?? "");
    if (status === 200) {
      if (asked !== null && asked !== "any") throw new Error("200 where 206 was due");
      if (body.length !== this.#model.length) throw new Error(`${body.length} bytes for all`);
      this.#compare(body, 0, "a whole read");
    } else if (told !== null) {
      const [from, to, total] = told.slice(1).map(Number);
      if (total !== this.#model.length || (to ?? 0) - (from ?? 0) + 1 !== body.length) {
        throw new Error(`content-range ${told[0]} with ${body.length} bytes`);
      }
      if (asked !== null && asked !== "any" && (asked.from !== from || asked.to - 1 !== to)) {
        throw new Error(`content-range ${told[0]} for ${asked.from}-${asked.to - 1}`);
      }
      this.#compare(body, from ?? 0, "a read of a range");
    } else {
      this.#judgeParts(headers.get("content-type") ?? "", body);
    }
  }

  #judgeParts(type: string, body: Buffer): void {
    const boundary = /^multipart\/byteranges; ?boundary="?([^"]+?)"?$/.exec(type)?.[1];
    if (boundary === undefined) throw new Error(`206 without a range, as ${type}`);
    const text = body.toString("latin1");
    const heads = text.matchAll(
      /\r\ncontent-range: bytes (\d+)-(\d+)\/\d+(?:\r\n[^\r]+)*\r\n\r\n/gi,
    );
    let parts = 0;
    for (const head of heads) {
      const [from, to] = [Number(head[1]), Number(head[2])];
      const at = (head.index ?? 0) + head[0].length;
      this.#compare(body.subarray(at, at + to - from + 1), from, "a part");
      if (!text.startsWith(`\r\n--${boundary}`, at + to - from + 1)) throw new Error("no boundary");
      parts += 1;
    }
    if (parts < 2) throw new Error(`multipart with ${parts} parts`);
  }

  #compare(found: Buffer, offset: number, what: string): void {
    const expected = this.#model.subarray(offset, offset + found.length);
    if (found.equals(expected)) return;
    let at = 0;
    while (found[at] === expected[at]) at += 1;
    throw new Error(
      `${what}: byte ${offset + at} of ${this.#target.path} is ${found[at]}, not ${expected[at]}: ` +
        printable(found.subarray(at, at + 40)),
    );
  }

  #count({ status, headers }: RawAnswer, what: string): void {
    this.tally.answers += 1;
    this.tally.statuses.set(status, (this.tally.statuses.get(status) ?? 0) + 1);
    if (!documented.has(status)) throw new Error(`${what}: undocumented status ${status}`);
    if (!headers.has("date")) throw new Error(`${what}: an answer ${status} without Date`);
  }

  async #unlock(locks: readonly string[]): Promise<void> {
    for (const lock of locks) {
      const [, path, token = ""] = lock.split(" ");
      const connection = await this.#connect();
      connection.send(requestHead(`UNLOCK ${path}`, { "Lock-Token": token }));
      const answer = await connection.answer();
      if (answer === null || connection.ended) this.close();
    }
  }

  async #connect(): Promise<RawConnection> {
    if (this.#connection === null || this.#connection.ended) {
      this.close();
      this.tally.connections += 1;
      this.#connection = await RawConnection.open(this.#port);
    }
    return this.#connection;
  }
}

type MakeAny = (dice: Dice, target: Target, wild: Target) => Shot;

function volumeShot(dice: Dice, target: Target): Shot {
  const [first, ...rest] = Object.values(volumeShots);
  if (first === undefined) throw new Error("there are no shots");
  return dice.pick([first, ...rest])(dice, target);
}

const makers = {
  volume: volumeShot,
  volumeToo: volumeShot,
  dav: davShot,
  davToo: davShot,
  control: controlShot,
  ambiguous: ambiguousShot,
  line: lineShot,
  path: pathShot,
  mangled: (dice: Dice, _target: Target, wild: Target): Shot =>
    mangledShot(dice, dice.pick([volumeShot, volumeShot, davShot, pathShot])(dice, wild)),
} as const satisfies Record<string, MakeAny>;

/** They end a batch and a connection, so that little else comes where they come often. */
const lasts = { ambiguous: true, line: true, mangled: true };

const kinds: readonly (keyof typeof makers)[] = [
  ...(["volume", "volumeToo", "dav", "davToo", "control", "path"] as const),
  ...(["ambiguous", "line", "mangled"] as const),
];

function printable(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes).toString("latin1", 0, 600));
}
