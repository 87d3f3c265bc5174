import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { ControlNode } from "../../../src/tree/control.ts";
import { EventHub } from "../../../src/tree/events.ts";
import type { OpenFile, TreeEvent } from "../../../src/tree/node.ts";
import { ManualClock, turns } from "./manual-clock.ts";

/** A control file that notes its lines; those with "bad" in them fail. */
class Fixture {
  readonly clock = new ManualClock();
  readonly events = new EventHub();
  readonly heard: TreeEvent[] = [];
  readonly lines: string[] = [];
  readonly logged: string[] = [];
  held: Promise<void> | null = null;
  readonly #log = {
    ...silentLogger,
    info: (text: string) => this.logged.push(`info ${text}`),
    warn: (text: string) => this.logged.push(`warn ${text}`),
  };
  readonly node = new ControlNode({
    ...{ id: 3, path: "vdi/mount", clock: this.clock, events: this.events, bornMs: 5 },
    log: this.#log,
    text: (results) =>
      results.map((row) => `${row.atMs} ${row.outcome} ${row.line}: ${row.reason}\n`).join(""),
    act: async (line) => {
      const text = new TextDecoder().decode(line);
      this.lines.push(text);
      await this.held;
      if (text.includes("bad")) throw new SheepfsError("not_found", `no '${text}'`);
      return `did ${text}`;
    },
  });

  constructor() {
    this.events.on((event) => this.heard.push(event));
  }

  open(): OpenFile {
    return this.node.open("write");
  }

  write(file: OpenFile, text: string, offset = 0): Promise<number> {
    const bytes = new TextEncoder().encode(text);
    return Promise.resolve(file.write(bytes, offset, this.clock.scope()));
  }

  flush(file: OpenFile): Promise<void> {
    return file.flush(this.clock.scope());
  }

  async content(): Promise<string> {
    const file = this.node.open("read");
    const into = new Uint8Array(file.sizeBytes());
    await file.read(into, 0, this.clock.scope());
    return new TextDecoder().decode(into);
  }
}

describe("a line", () => {
  test("is told to the log with what came of it, shown as it was typed", async () => {
    const control = new Fixture();
    const file = control.open();
    await control.write(file, "a\\x2fb\n");
    const failed = control.write(file, "bad\u0001\n");
    await expect(failed).rejects.toMatchObject({ message: "no 'bad\u0001'", told: true });
    expect(control.logged).toEqual([
      "info vdi/mount: 'a\\x2fb': did a\\x2fb",
      "warn vdi/mount: 'bad\\x01': no 'bad\\x01'",
    ]);
  });

  test("acts when its newline is written, and not again when the file is closed", async () => {
    const control = new Fixture();
    const file = control.open();
    expect(await control.write(file, "one\n")).toBe(4);
    expect(control.lines).toEqual(["one"]);
    await control.flush(file);
    await control.flush(file);
    await file.close();
    expect(control.lines).toEqual(["one"]);
  });

  test("without a newline acts when the file is closed, once", async () => {
    const control = new Fixture();
    const file = control.open();
    await control.write(file, "one");
    expect(control.lines).toEqual([]);
    await control.flush(file);
    await control.flush(file);
    expect(control.lines).toEqual(["one"]);
  });

  test("may come in any pieces, at any offsets", async () => {
    const control = new Fixture();
    const file = control.open();
    for (const piece of ["o", "n", "e\ntw", "o", "\n"]) await control.write(file, piece, 4_000);
    expect(control.lines).toEqual(["one", "two"]);
  });

  test("is taken without the spaces around it; an empty one does nothing", async () => {
    const control = new Fixture();
    const file = control.open();
    await control.write(file, " \n\n\tone two \r\n");
    await control.flush(file);
    expect(control.lines).toEqual(["one two"]);
    expect(control.heard.length).toBe(1);
  });

  test("of one open file is not mixed with another's", async () => {
    const control = new Fixture();
    const [a, b] = [control.open(), control.open()];
    await control.write(a, "on");
    await control.write(b, "tw");
    await control.write(a, "e\n");
    await control.write(b, "o\n");
    expect(control.lines).toEqual(["one", "two"]);
  });

  test("waits until the one before it is done", async () => {
    const control = new Fixture();
    const file = control.open();
    const held = Promise.withResolvers<void>();
    control.held = held.promise;
    const first = control.write(file, "one\n");
    const second = control.write(file, "two");
    const closed = control.flush(file);
    await turns();
    expect(control.lines).toEqual(["one"]);
    held.resolve();
    await Promise.all([first, second, closed]);
    expect(control.lines).toEqual(["one", "two"]);
  });
});

describe("a line that fails", () => {
  test("is the error of the write that completed it, and not of the close", async () => {
    const control = new Fixture();
    const file = control.open();
    await expect(control.write(file, "bad\n")).rejects.toMatchObject({ code: "not_found" });
    await control.flush(file);
    expect(control.lines).toEqual(["bad"]);
  });

  test("is the error of the close that completed it", async () => {
    const control = new Fixture();
    const file = control.open();
    await control.write(file, "bad");
    await expect(control.flush(file)).rejects.toMatchObject({ code: "not_found" });
    await control.flush(file);
  });

  test("keeps no other from acting; the first error is returned, the unfinished rest dropped", async () => {
    const control = new Fixture();
    const file = control.open();
    await expect(control.write(file, "bad1\none\nbad2\ntwo")).rejects.toThrow("no 'bad1'");
    await control.flush(file);
    expect(control.lines).toEqual(["bad1", "one", "bad2"]);
  });
});

describe("a line that is too long", () => {
  const long = "x".repeat(4_097);

  test("is refused as a whole, however it comes", async () => {
    const control = new Fixture();
    const file = control.open();
    await expect(control.write(file, long)).rejects.toMatchObject({ code: "invalid" });
    await expect(control.write(file, "tail")).rejects.toMatchObject({ code: "invalid" });
    await expect(control.write(file, "tail\nnext\n")).rejects.toMatchObject({ code: "invalid" });
    await control.write(file, "after\n");
    await control.flush(file);
    expect(control.lines).toEqual(["next", "after"]);
    expect((await control.content()).match(/^.* invalid x+….*$/gm)?.length).toBe(1);
  });

  test("of exactly the limit is not", async () => {
    const control = new Fixture();
    await control.write(control.open(), `${"x".repeat(4_096)}\n`);
    expect(control.lines[0]?.length).toBe(4_096);
  });
});

describe("reading a control file", () => {
  test("gives the last 16 results with time, outcome and reason, in the size that stat shows", async () => {
    const control = new Fixture();
    const file = control.open();
    for (let count = 0; count < 20; count += 1) {
      control.clock.advance(1_000);
      await control.write(file, `${count === 19 ? "bad" : "line"}${count}\n`).catch(() => {});
    }
    const rows = (await control.content()).trimEnd().split("\n");
    expect(rows.length).toBe(16);
    expect(rows[0]).toEndWith("ok line4: did line4");
    expect(rows[15]).toBe(`${control.clock.wallMs()} not_found bad19: no 'bad19'`);
    expect(control.node.attr().sizeBytes).toBe((await control.content()).length);
    expect(control.node.attr().mtimeMs).toBe(control.clock.wallMs());
  });

  test("shows a line of any bytes as text", async () => {
    const control = new Fixture();
    const bytes = new Uint8Array([0x61, 0xff, 0x1b, 0x5b, 0x0a]);
    await control.open().write(bytes, 0, control.clock.scope());
    expect(await control.content()).toContain("a\\xff\\x1b[");
    expect(await control.content()).not.toContain("\x1b");
  });

  test("does not change what is being read", async () => {
    const control = new Fixture();
    const reader = control.node.open("readwrite");
    await control.write(reader, "one\n");
    expect(reader.read(new Uint8Array(100), 0, control.clock.scope())).toBe(0);
    expect(await control.content()).toContain("did one");
  });
});

test("a control file may be emptied first, as shells do, and has no other size to set", async () => {
  const control = new Fixture();
  await control.node.setSize(0);
  await expect(control.node.setSize(1)).rejects.toMatchObject({ code: "not_supported" });
});

test("whoever opened for reading cannot write", async () => {
  const control = new Fixture();
  const file = control.node.open("read");
  await expect(control.write(file, "one\n")).rejects.toMatchObject({ code: "denied" });
});

test("caches are told of each result", async () => {
  const control = new Fixture();
  await control.write(control.open(), "one\ntwo\n");
  expect(control.heard).toEqual([
    { id: 3, what: "content" },
    { id: 3, what: "content" },
  ]);
});
