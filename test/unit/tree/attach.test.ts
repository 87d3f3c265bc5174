import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { attachNamed, detachNamed } from "../../../src/tree/entries/attaching.ts";
import { type AttachChange, AttachedVolumes } from "../../../src/volume/attach.ts";
import type { AttachedVolume } from "../../../src/volume/attached.ts";
import { SliceCache } from "../../../src/volume/slice-cache.ts";
import { ManualClock, turns } from "./manual-clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const MiB = 1 << 20;

class Fixture {
  readonly clock = new ManualClock();
  readonly cluster = new MemoryCluster();
  readonly changes: string[] = [];
  readonly logged: string[] = [];
  begun = 0;
  begin: () => Promise<void> = async () => {
    this.begun += 1;
  };
  readonly volumes: AttachedVolumes;

  constructor(options: { readonly readOnly?: boolean; readonly locking?: boolean } = {}) {
    const { clock, cluster } = this;
    cluster.locking = options.locking ?? false;
    const note = (message: string): void => {
      this.logged.push(message);
    };
    const log = { ...silentLogger, warn: note, error: note };
    const cache = new SliceCache();
    this.volumes = new AttachedVolumes({
      ports: { store: cluster, resolver: cluster, clock, log, cache },
      holds: cluster,
      readOnly: options.readOnly ?? false,
      cluster: { begin: () => this.begin(), isAnother: () => false },
    });
    this.volumes.on(({ what, volume }: AttachChange) => {
      this.changes.push(`${what} ${volume.title}`);
    });
  }

  attach(line: string | Uint8Array): Promise<AttachedVolume> {
    const bytes = typeof line === "string" ? new TextEncoder().encode(line) : line;
    return attachNamed(this.volumes, bytes, this.clock.scope(60_000));
  }

  detach(line: string | Uint8Array): Promise<string> {
    const bytes = typeof line === "string" ? new TextEncoder().encode(line) : line;
    return detachNamed(this.volumes, bytes, this.clock.scope(60_000));
  }

  titles(): string[] {
    return this.volumes.list().map(({ title }) => title);
  }
}

describe("attaching", () => {
  test("serves the VDI with its size, and tells who listens", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const { volume, readOnly, mtimeMs, birthtimeMs } = await world.attach("web");
    expect([volume.sizeBytes, readOnly]).toEqual([8 * MiB, false]);
    expect([mtimeMs, birthtimeMs]).toEqual([1_700_000_000_250, 1_700_000_000_250]);
    expect(world.changes).toEqual(["attached web"]);
  });

  // [S-159]
  test("the first of all waits to know of which cluster it is, and only that [S-159]", async () => {
    const world = new Fixture();
    for (const name of ["a", "b", "c"]) world.cluster.createVdi(name, { sizeBytes: 8 * MiB });
    const known = Promise.withResolvers<void>();
    world.begin = async () => {
      world.begun += 1;
      await known.promise;
    };
    const attaching = [world.attach("a"), world.attach("b")];
    await turns();
    expect([world.begun, world.titles(), world.volumes.empty]).toEqual([1, [], true]);
    known.resolve();
    await Promise.all(attaching);
    await world.attach("c");
    expect([world.begun, world.volumes.empty]).toEqual([1, false]);
    for (const name of ["a", "b", "c"]) await world.detach(name);
    await world.attach("a");
    expect(world.begun).toBe(2);
  });

  test("once is enough, however many ask at once", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const held = Promise.withResolvers<void>();
    world.cluster.held = held.promise;
    const attaching = [world.attach("web"), world.attach("web"), world.attach("web")];
    await turns();
    expect(world.titles()).toEqual([]);
    held.resolve();
    expect(new Set(await Promise.all(attaching)).size).toBe(1);
    expect(world.changes).toEqual(["attached web"]);
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    expect((await world.attach("web")).title).toBe("web");
  });

  test("that fails leaves nothing behind and can be tried again", async () => {
    const world = new Fixture({ locking: true });
    await expect(world.attach("web")).rejects.toMatchObject({
      code: "not_found",
      message: "there is no VDI 'web'",
    });
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    await expect(world.attach("web")).rejects.toMatchObject({ code: "unavailable" });
    world.cluster.failure = null;
    expect((await world.attach("web")).title).toBe("web");
  });

  test("goes on for who waits when the one who began it was interrupted", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const held = Promise.withResolvers<void>();
    world.cluster.held = held.promise;
    const first = world.attach("web");
    const second = world.attach("web");
    await turns();
    world.cluster.held = null;
    held.reject(new SheepfsError("cancelled", "interrupted"));
    await expect(first).rejects.toMatchObject({ code: "cancelled" });
    expect((await second).title).toBe("web");
  });

  test("refuses what cannot be served exactly", async () => {
    const world = new Fixture({ locking: true });
    world.cluster.createVdi("huge", { sizeBytes: 2 ** 60 });
    world.cluster.createVdi("wide", { sizeBytes: 2 ** 50 });
    world.cluster.createVdi("shift", { sizeBytes: MiB, objectBytes: 2 ** 8 });
    await expect(world.attach("huge")).rejects.toMatchObject({ code: "too_large" });
    await expect(world.attach("wide")).rejects.toMatchObject({ code: "too_large" });
    await expect(world.attach("shift")).rejects.toMatchObject({ code: "not_supported" });
    expect(world.cluster.locks.size).toBe(0);
    expect(world.titles()).toEqual([]);
  });
});

describe("detaching", () => {
  test("makes durable what was written and ends serving it", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    expect(await world.detach("web")).toBe("web");
    expect(world.cluster.events).toContain("flush 1");
    expect(world.changes).toEqual(["attached web", "detached web"]);
    expect(() => attached.addUser()).toThrow("was detached");
  });

  test("of what is not attached is an error", async () => {
    const world = new Fixture();
    await expect(world.detach("web")).rejects.toMatchObject({ code: "invalid" });
  });

  test("waits a moment for who is just closing it, and no longer", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    attached.addUser();
    const refused = world.detach("web");
    refused.catch(() => {});
    world.clock.advance(499);
    await turns();
    world.clock.advance(1);
    await expect(refused).rejects.toThrow("'web' is open once; end what uses it");
    const detached = world.detach("web");
    await turns();
    attached.removeUser();
    expect(await detached).toBe("web");
    expect(world.clock.timers).toBe(0);
  });

  test("that cannot make it durable leaves it attached", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    await expect(world.detach("web")).rejects.toMatchObject({ code: "unavailable" });
    expect(world.titles()).toEqual(["web"]);
    attached.addUser();
  });

  test("twice at once detaches once", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.attach("web");
    const both = await Promise.allSettled([world.detach("web"), world.detach("web")]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(world.changes).toEqual(["attached web", "detached web"]);
  });

  test("of everything is what the end of the program does", async () => {
    const world = new Fixture({ locking: true });
    for (const name of ["a", "b"]) {
      world.cluster.createVdi(name, { sizeBytes: 8 * MiB });
      (await world.attach(name)).addUser();
    }
    await world.volumes.detachAll(world.clock.scope());
    expect(world.titles()).toEqual([]);
    expect(world.cluster.locks.size).toBe(0);
  });
});

describe("locks", () => {
  test("an attached VDI is locked, and released when it is detached", async () => {
    const world = new Fixture({ locking: true });
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.attach("web");
    expect(world.cluster.locks.get(1)).toBe("us");
    await world.detach("web");
    expect(world.cluster.locks.size).toBe(0);
  });

  test("what somebody else has locked is refused, naming the holder", async () => {
    const world = new Fixture({ locking: true });
    const vid = world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.locks.set(vid, "10.0.0.7:7000");
    await expect(world.attach("web")).rejects.toMatchObject({
      code: "busy",
      message: "it is locked by 10.0.0.7:7000",
    });
    expect(world.titles()).toEqual([]);
    expect(world.cluster.locks.get(vid)).toBe("10.0.0.7:7000");
  });

  test("for reading only none is needed", async () => {
    const world = new Fixture({ locking: true, readOnly: true });
    const vid = world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.locks.set(vid, "10.0.0.7:7000");
    expect((await world.attach("web")).readOnly).toBe(true);
  });

  test("after a snapshot elsewhere the lock moves to the new working VDI", async () => {
    const world = new Fixture({ locking: true });
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    const now = world.cluster.snapshot("web", "monday");
    await world.volumes.refresh(attached, world.clock.scope());
    expect([...world.cluster.locks.keys()]).toEqual([now]);
    await world.detach("web");
    expect(world.cluster.locks.size).toBe(0);
  });

  test("that is another's now ends reading and writing, and leaves theirs alone", async () => {
    const world = new Fixture({ locking: true });
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    attached.addUser();
    const scope = world.clock.scope();
    await attached.volume.write(new Uint8Array(512), 0, scope);
    const now = world.cluster.snapshot("web", "monday");
    world.cluster.locks.set(now, "10.0.0.7:7000");
    world.clock.advance(500);
    await turns();
    expect(world.logged.join()).toContain("is locked by 10.0.0.7:7000");
    const { volume } = attached;
    const stale = { code: "stale" };
    await expect(volume.write(new Uint8Array(512), 0, scope)).rejects.toMatchObject(stale);
    await expect(volume.read(new Uint8Array(512), 0, scope)).rejects.toMatchObject(stale);
    await expect(volume.flush(scope)).rejects.toMatchObject(stale);
    expect(world.cluster.events).toContain("release");
    attached.removeUser();
    await world.detach("web");
    expect(world.cluster.locks.get(now)).toBe("10.0.0.7:7000");
    await expect(world.attach("web")).rejects.toMatchObject({ code: "busy" });
  });

  test("are looked at by themselves, and a volume that nobody has open is detached", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.attach("web");
    world.cluster.lost = "was taken away by host 'b'";
    for (let at = 0; at < 12; at += 1) {
      world.clock.advance(500);
      await turns();
    }
    expect(world.titles()).toEqual([]);
    expect(world.logged.join()).toContain("web was taken away by host 'b'");
  });
});

describe("a VDI that is changed elsewhere", () => {
  test("has its new size", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    world.cluster.change("web", { vdiSize: 12 * MiB });
    await world.volumes.refresh(attached, world.clock.scope());
    expect(attached.volume.sizeBytes).toBe(12 * MiB);
  });

  test("is detached when it was deleted, unless it is open", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const attached = await world.attach("web");
    attached.addUser();
    world.cluster.change("web", { name: new Uint8Array(0) });
    const { volumes, clock } = world;
    await expect(volumes.refresh(attached, clock.scope())).rejects.toMatchObject({ code: "stale" });
    expect(world.titles()).toEqual(["web"]);
    attached.removeUser();
    await expect(volumes.refresh(attached, clock.scope())).rejects.toMatchObject({ code: "stale" });
    expect(world.titles()).toEqual([]);
    expect(world.changes).toEqual(["attached web", "changed web", "detached web"]);
  });

  test("is noticed by itself: soon when it is open, else in some seconds", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const { volume } = await world.attach("web");
    const passes = async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += 250) {
        world.clock.advance(250);
        await turns();
      }
    };
    await passes(500);
    world.cluster.change("web", { vdiSize: 12 * MiB });
    await passes(4_750);
    expect(volume.sizeBytes).toBe(8 * MiB);
    await passes(500);
    expect(volume.sizeBytes).toBe(12 * MiB);
    world.volumes.get("web")?.addUser();
    world.cluster.change("web", { vdiSize: 4 * MiB });
    await passes(500);
    expect(volume.sizeBytes).toBe(4 * MiB);
    expect(world.changes).toEqual(["attached web", "changed web", "changed web"]);
    world.volumes.get("web")?.removeUser();
    world.cluster.change("web", { name: new Uint8Array(0) });
    await passes(5_500);
    expect(world.titles()).toEqual([]);
    expect(world.clock.timers).toBe(0);
  });

  test("while the cluster does not answer stays attached and is looked at again", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const { volume } = await world.attach("web");
    world.volumes.get("web")?.addUser();
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    world.cluster.change("web", { vdiSize: 12 * MiB });
    for (let at = 0; at < 8; at += 1) {
      world.clock.advance(500);
      await turns();
    }
    expect([world.titles(), volume.sizeBytes]).toEqual([["web"], 8 * MiB]);
    world.cluster.failure = null;
    world.clock.advance(500);
    await turns();
    expect(volume.sizeBytes).toBe(12 * MiB);
  });
});

test("a VDI that was deleted and made anew elsewhere is attached as the new one", async () => {
  const world = new Fixture();
  world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
  const old = await world.attach("web");
  old.addUser();
  world.cluster.change("web", { name: new Uint8Array(0) });
  world.cluster.createVdi("web", { sizeBytes: 4 * MiB });
  await expect(world.attach("web")).rejects.toThrow("was deleted elsewhere");
  old.removeUser();
  const attached = await world.attach("web");
  expect(attached.volume.sizeBytes).toBe(4 * MiB);
  const changes = ["attached web", "changed web", "detached web", "attached web"];
  expect(world.changes).toEqual(changes);
});

test("what is being attached when everything is detached is detached too", async () => {
  const world = new Fixture({ locking: true });
  world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
  const held = Promise.withResolvers<void>();
  world.cluster.held = held.promise;
  const attaching = world.attach("web");
  const ending = world.volumes.detachAll(world.clock.scope());
  await turns();
  held.resolve();
  await Promise.all([attaching, ending]);
  expect(world.titles()).toEqual([]);
  expect(world.cluster.locks.size).toBe(0);
});

describe("a snapshot", () => {
  test("is named NAME@TAG or NAME@ID, and read-only", async () => {
    const world = new Fixture({ locking: true });
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.snapshot("web", "a@b");
    for (const [line, title] of [
      ["web@a\\x40b", "web@a\\x40b"],
      ["web@1", "web@1"],
    ] as const) {
      const attached = await world.attach(line);
      expect([attached.title, attached.readOnly]).toEqual([title, true]);
      expect(attached.mtimeMs).toBe(1_700_000_100_000);
    }
    expect(world.cluster.locks.size).toBe(0);
  });

  // [S-12]
  test("that is attached already can be attached again", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.snapshot("web", "monday");
    const first = await world.attach("web@monday");
    expect(await world.attach("web@monday")).toBe(first);
    expect(world.titles()).toEqual(["web@monday"]);
  });

  test("may have a number for a tag", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.snapshot("web", "2026");
    expect((await world.attach("web@2026")).readOnly).toBe(true);
  });

  test("gives way to a VDI of that very name", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.snapshot("web", "monday");
    world.cluster.createVdi("web@monday", { sizeBytes: 4 * MiB });
    const attached = await world.attach("web@monday");
    expect([attached.readOnly, attached.volume.sizeBytes]).toEqual([false, 4 * MiB]);
  });

  test("that is attached keeps its name from another", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.snapshot("web", "monday");
    await world.attach("web@monday");
    world.cluster.createVdi("web@monday", { sizeBytes: 4 * MiB });
    await expect(world.attach("web@monday")).rejects.toMatchObject({ code: "exists" });
  });
});

describe("names", () => {
  test("raw and escaped mean the same VDI, listed escaped", async () => {
    const world = new Fixture();
    const raw = new Uint8Array([0x61, 0x2f, 0xff]);
    world.cluster.createVdi(raw, { sizeBytes: 8 * MiB });
    expect((await world.attach(raw)).title).toBe("a\\x2f\\xff");
    expect((await world.attach("a\\x2f\\xff")).title).toBe("a\\x2f\\xff");
    expect(await world.detach("a/\\xff")).toBe("a\\x2f\\xff");
  });

  test("that are no UTF-8 are not taken for ones that look alike", async () => {
    const world = new Fixture();
    for (const name of ["a\ufffd", "b"]) {
      world.cluster.createVdi(new TextEncoder().encode(name), { sizeBytes: 8 * MiB });
      await world.attach(name);
    }
    for (const bytes of [new Uint8Array([0x61, 0xff]), new TextEncoder().encode("\ufeffb")]) {
      await expect(world.detach(bytes)).rejects.toMatchObject({ code: "invalid" });
    }
    expect(world.titles()).toEqual(["a\ufffd", "b"]);
  });

  test("that are too long or hold a NUL are refused before the cluster is asked", async () => {
    const world = new Fixture();
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    await expect(world.attach("x".repeat(256))).rejects.toMatchObject({ code: "name_too_long" });
    await expect(world.attach("a\\x00b")).rejects.toMatchObject({ code: "invalid" });
    await expect(world.attach("a\\b")).rejects.toMatchObject({ code: "invalid" });
  });

  test("NAME@TAG means a snapshot however long name and tag are", async () => {
    const world = new Fixture();
    const long = "n".repeat(255);
    world.cluster.createVdi(new TextEncoder().encode(long), { sizeBytes: 8 * MiB });
    const attach = world.attach(`${long}@${"t".repeat(255)}`);
    // The VDI is found, and it has no such snapshot.
    await expect(attach).rejects.toMatchObject({ code: "not_found" });
    for (const line of [`${long}n@t`, `${long}@${"t".repeat(256)}`]) {
      await expect(world.attach(line)).rejects.toMatchObject({ code: "name_too_long" });
    }
  });

  test("whose escaped form is too long are listed shortened, and detached by that", async () => {
    const world = new Fixture();
    const raw = new Uint8Array(255).fill(0xff);
    world.cluster.createVdi(raw, { sizeBytes: 8 * MiB });
    const { title } = await world.attach(raw);
    expect(title).toMatch(/^(\\xff)+\\~[0-9a-f]{16}$/);
    expect(await world.detach(title)).toBe(title);
  });
});
