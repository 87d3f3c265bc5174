import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { resolveVdi } from "../../../src/cluster/resolve.ts";
import { MemorySheep, never, plainHeader, text } from "./memory-sheep.ts";

const snapTime = { seconds: 1_795_465_500, nanoseconds: 0 };

/** alpha with the snapshots `one` (id 1) and `2` (id 2), its clone, and two strangers in its run. */
function family(): { sheep: MemorySheep; vids: Record<string, number> } {
  const sheep = new MemorySheep();
  const name = text("alpha");
  const one = sheep.add({ name, tag: text("one"), snapTime, snapId: 1 });
  const stranger = sheep.add({ name });
  sheep.put(stranger, 0, text("someone"));
  const two = sheep.add({ name, tag: text("2"), snapTime, snapId: 2, parentVid: one });
  const working = sheep.add({ name, snapId: 3, parentVid: two });
  const clone = sheep.add({ name: text("clone"), parentVid: one });
  return { sheep, vids: { one, two, working, clone } };
}

const named = (name: string) => ({ name: text(name), snapshot: null });
const tagged = (name: string, tag: string) => ({ name: text(name), snapshot: { tag: text(tag) } });
const numbered = (name: string, id: number) => ({ name: text(name), snapshot: { id } });

async function failure(sheep: MemorySheep, name: Parameters<typeof resolveVdi>[1]) {
  const thrown = await resolveVdi(sheep, name, never).catch((error: unknown) => error);
  if (!(thrown instanceof Error)) throw new Error("it was found");
  return thrown as Error & { readonly code?: string };
}

describe("a name is resolved", () => {
  test("to the working VDI, whatever snapshots it has", async () => {
    const { sheep, vids } = family();
    const header = await resolveVdi(sheep, named("alpha"), never);
    expect({ vid: header.vid, snapId: header.snapId }).toEqual({
      vid: vids["working"] ?? 0,
      snapId: 3,
    });
  });

  test("with a tag or an id to that snapshot", async () => {
    const { sheep, vids } = family();
    expect((await resolveVdi(sheep, tagged("alpha", "one"), never)).vid).toBe(vids["one"] ?? 0);
    expect((await resolveVdi(sheep, numbered("alpha", 2), never)).vid).toBe(vids["two"] ?? 0);
    expect((await resolveVdi(sheep, tagged("alpha", "2"), never)).vid).toBe(vids["two"] ?? 0);
  });

  test("to a clone by the clone's name", async () => {
    const { sheep, vids } = family();
    expect((await resolveVdi(sheep, named("clone"), never)).vid).toBe(vids["clone"] ?? 0);
  });

  test("by bytes, not by characters", async () => {
    const sheep = new MemorySheep();
    const raw = new Uint8Array([0xff, 0x2f, 0x0a, 0x20]);
    const vid = sheep.add({ name: raw });
    expect((await resolveVdi(sheep, { name: raw, snapshot: null }, never)).vid).toBe(vid);
  });

  test("again when a snapshot was made between look-up and reading", async () => {
    const { sheep, vids } = family();
    let working = 0;
    sheep.after = ({ opcode }) => {
      if (opcode !== "getVdiInfo" || working !== 0) return;
      // Someone snapshots it: what was looked up is a snapshot now, and another one is working.
      const old = vids["working"] ?? 0;
      const header = { ...plainHeader, name: text("alpha"), snapId: 4, parentVid: old };
      sheep.put(old, 520, new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0]));
      working = sheep.add(header);
    };
    expect((await resolveVdi(sheep, named("alpha"), never)).vid).toBe(working);
  });
});

describe("a name that cannot be resolved", () => {
  test("is not found", async () => {
    const error = await failure(new MemorySheep(), named("nosuch"));
    expect(error).toMatchObject({ code: "not_found", message: "there is no VDI 'nosuch'" });
  });

  // While a snapshot is being made there is no working VDI, and whoever follows it looks again.
  test("is not found also when nobody says what else there is", async () => {
    const sheep = new MemorySheep();
    sheep.before = ({ opcode }) => {
      if (opcode === "readVdis") throw new SheepfsError("unavailable", "gone");
    };
    const error = await failure(sheep, named("nosuch"));
    expect(error).toMatchObject({
      code: "not_found",
      message: "there is no VDI 'nosuch' (gone)",
    });
  });

  test("of which only snapshots are left: they are named, and what can be done", async () => {
    const { sheep, vids } = family();
    sheep.put(vids["working"] ?? 0, 0, new Uint8Array(256));
    const error = await failure(sheep, named("alpha"));
    expect(error.code).toBe("not_found");
    expect(error.message).toContain("no working VDI 'alpha'");
    expect(error.message).toContain("'one' (id 1), '2' (id 2)");
    expect(error.message).toContain("sheepfs vdi clone 'alpha@TAG'");
  });

  test("for a snapshot that is missing names those that there are", async () => {
    const { sheep } = family();
    expect((await failure(sheep, numbered("alpha", 7))).message).toBe(
      "there is no snapshot id 7 of VDI 'alpha'; its snapshots: 'one' (id 1), '2' (id 2)",
    );
    expect((await failure(sheep, tagged("clone", "x"))).message).toBe(
      "there is no snapshot 'x' of VDI 'clone'; it has none",
    );
    expect((await failure(sheep, tagged("nosuch", "x"))).message).toContain("no such VDI");
  });

  test("is one line, whatever bytes the name has", async () => {
    const error = await failure(new MemorySheep(), named("a\nb\u0007"));
    expect(error.message).toBe("there is no VDI 'a\\x0ab\\x07'");
  });

  test("when the cluster insists on an inode that is another's", async () => {
    const { sheep, vids } = family();
    sheep.before = ({ opcode }) => {
      if (opcode === "readObject") sheep.put(vids["working"] ?? 0, 0, text("other"));
      if (opcode === "getVdiInfo") sheep.put(vids["working"] ?? 0, 0, text("alpha"));
    };
    expect((await failure(sheep, named("alpha"))).code).toBe("corrupt");
  });

  test("for names and ids that cannot be", async () => {
    const sheep = new MemorySheep();
    expect((await failure(sheep, named(""))).code).toBe("invalid");
    expect((await failure(sheep, named("a\0b"))).code).toBe("invalid");
    expect((await failure(sheep, named("x".repeat(256)))).code).toBe("name_too_long");
    expect((await failure(sheep, tagged("a", ""))).code).toBe("invalid");
    expect((await failure(sheep, numbered("a", 0))).code).toBe("invalid");
    expect((await failure(sheep, numbered("a", 1.5))).code).toBe("invalid");
    expect(sheep.seen).toEqual([]);
  });
});

describe("a VDI of which the vid is known", () => {
  const snapshot = { id: 1 };

  test("is looked at without a look-up", async () => {
    const sheep = new MemorySheep();
    const snapTime = { seconds: 1, nanoseconds: 0 };
    const vid = sheep.add({ name: text("test"), snapTime });
    expect((await resolveVdi(sheep, { name: text("test"), snapshot, vid }, never)).vid).toBe(vid);
    expect(sheep.seen.map(({ opcode }) => opcode)).toEqual(["readObject"]);
  });

  test("is stale when it was deleted, snapshotted, or is another's", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({ name: text("test") });
    const rows = [
      { name: text("test"), snapshot, vid },
      { name: text("test"), snapshot: null, vid: vid + 1 },
      { name: text("other"), snapshot: null, vid },
    ];
    for (const name of rows) {
      await expect(resolveVdi(sheep, name, never)).rejects.toMatchObject({ code: "stale" });
    }
    expect((await resolveVdi(sheep, { name: text("test"), snapshot: null, vid }, never)).vid).toBe(
      vid,
    );
  });
});
