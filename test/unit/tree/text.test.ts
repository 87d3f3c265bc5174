import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import type { Scope } from "../../../src/base/scope.ts";
import { EventHub } from "../../../src/tree/events.ts";
import type { OpenFile, TreeEvent } from "../../../src/tree/node.ts";
import { Patience } from "../../../src/tree/patience.ts";
import { TextNode } from "../../../src/tree/text.ts";
import { ManualClock, turns } from "./manual-clock.ts";

/** A text of which each rendering is told from the one before, and may be held or fail. */
class Fixture {
  readonly clock: ManualClock;
  readonly events = new EventHub();
  readonly heard: TreeEvent[] = [];
  readonly patience: Patience;
  renderings = 0;
  failure: SheepfsError | null = null;
  held: PromiseWithResolvers<void> | null = null;
  readonly node: TextNode;

  constructor(beside?: Fixture) {
    this.clock = beside?.clock ?? new ManualClock();
    this.patience = beside?.patience ?? new Patience();
    const { clock, events, patience } = this;
    this.node = new TextNode({
      ...{ id: 7, path: "vdi/list", clock, events, patience, bornMs: 5 },
      render: () => this.#render(),
    });
    this.events.on((event) => this.heard.push(event));
  }

  async #render(): Promise<string> {
    this.renderings += 1;
    const text = `rendering ${"x".repeat(this.renderings)}\n`;
    await this.held?.promise;
    if (this.failure !== null) throw this.failure;
    return text;
  }

  async read(scope: Scope = this.clock.scope()): Promise<string> {
    return await content(await this.node.open("read", scope));
  }
}

async function content(file: OpenFile): Promise<string> {
  const into = new Uint8Array(1000);
  const length = await file.read(into, 0, new ManualClock().scope());
  return new TextDecoder().decode(into.subarray(0, length));
}

describe("a text", () => {
  test("is rendered once for everybody who asks within a second", async () => {
    const text = new Fixture();
    const scope = text.clock.scope();
    const attr = await text.node.attr(scope);
    await Promise.all([text.node.attr(scope), text.read(), text.read(), text.node.attr(scope)]);
    expect(text.renderings).toBe(1);
    expect(attr.sizeBytes).toBe("rendering x\n".length);
  });

  test("is rendered once for all who come while it is being rendered", async () => {
    const text = new Fixture();
    text.held = Promise.withResolvers();
    const reads = [text.read(), text.read(), text.node.attr(text.clock.scope())] as const;
    await turns();
    text.held.resolve();
    expect(await reads[0]).toBe(await reads[1]);
    expect((await reads[2]).sizeBytes).toBe("rendering x\n".length);
    expect(text.renderings).toBe(1);
  });

  test("is rendered anew after a second", async () => {
    const text = new Fixture();
    expect(await text.read()).toBe("rendering x\n");
    text.clock.advance(1_000);
    expect(await text.read()).toBe("rendering xx\n");
  });

  test("that was opened never changes under its reader", async () => {
    const text = new Fixture();
    const file = await text.node.open("read", text.clock.scope());
    text.clock.advance(5_000);
    await text.read();
    expect(file.sizeBytes()).toBe("rendering x\n".length);
    expect(await content(file)).toBe("rendering x\n");
  });

  test("is read in any pieces", async () => {
    const text = new Fixture();
    const file = await text.node.open("read", text.clock.scope());
    const into = new Uint8Array(4);
    expect(await file.read(into, 9, text.clock.scope())).toBe(3);
    expect(new TextDecoder().decode(into.subarray(0, 3))).toBe(" x\n");
    expect(await file.read(into, 12, text.clock.scope())).toBe(0);
    expect(await file.read(into, 1_000, text.clock.scope())).toBe(0);
  });

  test("has the time of its rendering", async () => {
    const text = new Fixture();
    text.clock.advance(123);
    const atMs = text.clock.wallMs();
    await text.read();
    text.clock.advance(500);
    const { mtimeMs, birthtimeMs } = await text.node.attr(text.clock.scope());
    expect([mtimeMs, birthtimeMs]).toEqual([atMs, 5]);
  });

  test("that changed is rendered anew at once, and caches are told", async () => {
    const text = new Fixture();
    await text.read();
    text.node.changed();
    expect(await text.read()).toBe("rendering xx\n");
    expect(text.heard).toEqual([{ id: 7, what: "content" }]);
  });

  test("that changes while it is being rendered is not shown as it was", async () => {
    const text = new Fixture();
    text.held = Promise.withResolvers();
    const before = text.read();
    await turns();
    text.node.changed();
    const after = text.read();
    await turns();
    text.held.resolve();
    expect(await before).toBe("rendering x\n");
    expect(await after).toBe("rendering xx\n");
    expect(await text.read()).toBe("rendering xx\n");
  });

  test("cannot be written", async () => {
    const text = new Fixture();
    const scope = text.clock.scope();
    expect(text.node.traits.writable).toBe(false);
    expect((await text.node.attr(scope)).mode).toBe(0o444);
    for (const mode of ["write", "readwrite"] as const) {
      await expect(text.node.open(mode, scope)).rejects.toMatchObject({ code: "denied" });
    }
  });
});

describe("a text that cannot be rendered", () => {
  test("is an error for who opens it", async () => {
    const text = new Fixture();
    text.failure = new SheepfsError("unavailable", "no sheep");
    await expect(text.read()).rejects.toThrow("no sheep");
  });

  test("still has attributes, and a listing does not ask the cluster again and again", async () => {
    const text = new Fixture();
    await text.read();
    text.clock.advance(2_000);
    text.failure = new SheepfsError("unavailable", "no sheep");
    for (let times = 0; times < 5; times += 1) {
      const { sizeBytes } = await text.node.attr(text.clock.scope());
      expect(sizeBytes).toBe("rendering x\n".length);
    }
    expect(text.renderings).toBe(2);
  });

  test("is rendered again for the next open", async () => {
    const text = new Fixture();
    text.failure = new SheepfsError("unavailable", "no sheep");
    await expect(text.read()).rejects.toThrow("no sheep");
    text.failure = null;
    expect(await text.read()).toBe("rendering xx\n");
  });

  test("holds up a listing for a moment only, and the opener until the deadline", async () => {
    const text = new Fixture();
    text.held = Promise.withResolvers();
    const attr = text.node.attr(text.clock.scope(60_000));
    const read = text.read(text.clock.scope(5_000));
    read.catch(() => {});
    await turns();
    text.clock.advance(2_000);
    expect((await attr).sizeBytes).toBe(0);
    text.clock.advance(3_000);
    await expect(read).rejects.toMatchObject({ code: "timed_out" });
    text.held.resolve();
    await turns();
    expect(await text.read()).toBe("rendering x\n");
    expect(text.clock.timers).toBe(0);
  });

  test("costs a listing its moment once, for all texts together, until something is answered", async () => {
    const text = new Fixture();
    const another = new Fixture(text);
    const { clock } = text;
    text.held = Promise.withResolvers();
    another.held = text.held;
    const waits = async (node: TextNode, ms: number): Promise<void> => {
      let done = false;
      const attr = node.attr(clock.scope()).then(() => {
        done = true;
      });
      await turns();
      clock.advance(ms - 1);
      await turns();
      expect(done).toBe(false);
      clock.advance(1);
      await attr;
    };
    await waits(text.node, 2_000);
    await waits(text.node, 50);
    await waits(another.node, 50);
    text.held.resolve();
    await turns();
    clock.advance(1_000);
    text.held = Promise.withResolvers();
    await waits(text.node, 2_000);
    text.held.resolve();
  });

  test("lets an interrupted reader go at once", async () => {
    const text = new Fixture();
    text.held = Promise.withResolvers();
    const scope = text.clock.scope();
    const read = text.read(scope);
    await turns();
    scope.cancel();
    await expect(read).rejects.toMatchObject({ code: "cancelled" });
  });
});
