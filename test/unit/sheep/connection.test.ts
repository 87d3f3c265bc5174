import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { type ClientSocket, Connection } from "../../../src/sheep/connection.ts";
import { dataReply, type Reply, type Request, success } from "../../../src/sheep/request.ts";
import { objectRequest } from "../../../src/wire/header.ts";

/** A socket that takes as much as it is told to. */
class FakeSocket implements ClientSocket {
  readonly sent: number[] = [];
  takes = Number.POSITIVE_INFINITY;
  paused = false;
  terminated = false;

  write(bytes: Uint8Array): number {
    const taken = Math.min(this.takes, bytes.length);
    this.takes -= taken;
    if (taken <= 4096) this.sent.push(...bytes.subarray(0, taken));
    return taken;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  terminate(): void {
    this.terminated = true;
  }
}

function connect(answer: (request: Request) => Reply | Promise<Reply>) {
  const socket = new FakeSocket();
  const local = { host: "127.0.0.1", port: 7000 };
  return { socket, connection: new Connection(socket, { answer, epoch: () => 1, local }) };
}

function requestBytes(id: number, data: Uint8Array | null): Uint8Array {
  const object = { kind: "data", vid: 1, index: 0 } as const;
  const { header } =
    data === null
      ? objectRequest("readObject", object, { receiveBytes: 16 })
      : objectRequest("writeObject", object, { data });
  new DataView(header.buffer).setUint32(8, id, true);
  return Uint8Array.from([...header, ...(data ?? [])]);
}

function idsOf(sent: readonly number[]): number[] {
  const view = new DataView(Uint8Array.from(sent).buffer);
  const ids: number[] = [];
  for (let at = 0; at < sent.length; at += 48 + view.getUint32(at + 12, true)) {
    ids.push(view.getUint32(at + 8, true));
  }
  return ids;
}

test("requests are found wherever the stream is cut", () => {
  const stream = [1, 2, 3, 4].flatMap((id) => [
    ...requestBytes(id, id % 2 === 0 ? null : new Uint8Array(20).fill(id)),
  ]);
  const bytes = Uint8Array.from(stream);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const got: number[][] = [];
    const { socket, connection } = connect((request) => {
      got.push([...request.data]);
      return success;
    });
    connection.received(bytes.slice(0, cut));
    connection.received(bytes.slice(cut));
    expect(idsOf(socket.sent)).toEqual([1, 2, 3, 4]);
    expect(got).toEqual([Array(20).fill(1), [], Array(20).fill(3), []]);
  }
});

test("a stream that comes byte by byte is understood", () => {
  const { socket, connection } = connect(() => success);
  const stream = [...requestBytes(7, new Uint8Array(9)), ...requestBytes(8, null)];
  for (const byte of stream) connection.received(Uint8Array.from([byte]));
  expect(idsOf(socket.sent)).toEqual([7, 8]);
});

test("answers come as they are ready, and later requests do not wait for earlier ones", async () => {
  const first = Promise.withResolvers<Reply>();
  let calls = 0;
  const { socket, connection } = connect(() => {
    calls += 1;
    return calls === 1 ? first.promise : success;
  });
  connection.received(requestBytes(1, null));
  connection.received(requestBytes(2, null));
  expect(idsOf(socket.sent)).toEqual([2]);
  first.resolve(success);
  await first.promise;
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect(idsOf(socket.sent)).toEqual([2, 1]);
});

test("a request longer than any object needs ends the connection", () => {
  for (const announced of [limits.sheepRequestBytesMax + 1, 0xffff_ffff]) {
    for (const sends of [true, false]) {
      const { socket, connection } = connect(() => success);
      const bytes = requestBytes(1, sends ? new Uint8Array(1) : null);
      new DataView(bytes.buffer).setUint32(12, announced, true);
      connection.received(bytes);
      expect([announced, sends, socket.terminated]).toEqual([announced, sends, true]);
      connection.received(requestBytes(2, null));
      expect(socket.sent).toEqual([]);
    }
  }
});

test("a client that does not read is not read from, and goes on when it reads again", () => {
  const answerBytes = 1024 * 1024;
  let answered = 0;
  const { socket, connection } = connect(() => {
    answered += 1;
    return dataReply(new Uint8Array(answerBytes));
  });
  socket.takes = 0;
  const requests = 64;
  const stream = Array.from({ length: requests }, (_, id) => [...requestBytes(id, null)]).flat();
  connection.received(Uint8Array.from(stream));
  expect(socket.paused).toBe(true);
  // What came in before is not answered either: that would be held in memory.
  expect(answered).toBeLessThan(limits.sheepClientBytesMax / answerBytes + 2);
  while (answered < requests || socket.paused) {
    socket.takes = answerBytes;
    connection.drained();
  }
  expect(answered).toBe(requests);
});

test("a client that sends more than is done for it is not read from", () => {
  const { socket, connection } = connect(() => new Promise<Reply>(() => {}));
  for (let id = 0; id < limits.sheepClientRequestsMax; id += 1) {
    expect(socket.paused).toBe(false);
    connection.received(requestBytes(id, null));
  }
  expect(socket.paused).toBe(true);
});

test("an answer that is ready after the client has gone is dropped", async () => {
  const late = Promise.withResolvers<Reply>();
  const { socket, connection } = connect(() => late.promise);
  connection.received(requestBytes(1, null));
  connection.closed();
  late.resolve(success);
  await new Promise((resolve) => setImmediate(resolve));
  expect(socket.sent).toEqual([]);
});
