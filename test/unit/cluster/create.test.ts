import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { cloneVdi } from "../../../src/cluster/clone-vdi.ts";
import { createVdi, type NewVdi } from "../../../src/cluster/create-vdi.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const MiB = 2 ** 20;
const TiB = 2 ** 40;

function wish(fields: Partial<NewVdi> = {}): NewVdi {
  return { name: text("test"), sizeBytes: 64 * MiB, objectBytes: null, copies: null, ...fields };
}

async function failure(sheep: MemorySheep, fields: Partial<NewVdi>) {
  const thrown = await createVdi(sheep, wish(fields), never).catch((error: unknown) => error);
  if (!(thrown instanceof SheepfsError)) throw new Error("it was created");
  return thrown;
}

const doubt = () => new SheepfsError("unavailable", "the answer was lost", { inDoubt: true });

describe("creating a VDI", () => {
  test("with the cluster's defaults", async () => {
    const sheep = new MemorySheep();
    const { vid, vdiSize, blockSizeShift } = await createVdi(sheep, wish(), never);
    expect({ vdiSize, blockSizeShift }).toEqual({ vdiSize: 64 * MiB, blockSizeShift: 22 });
    expect(sheep.headerOf(vid).name).toEqual(text("test"));
  });

  test("with object size, copies, erasure code and as a hypervolume", async () => {
    const sheep = new MemorySheep();
    const made = (fields: Partial<NewVdi>) => createVdi(sheep, wish(fields), never);
    expect(
      await made({ name: text("a"), objectBytes: MiB, copies: 3, sizeBytes: TiB }),
    ).toMatchObject({ blockSizeShift: 20, copies: 3, vdiSize: TiB });
    expect(await made({ name: text("b"), copyPolicy: 0x22 })).toMatchObject({
      copies: 6,
      copyPolicy: 0x22,
    });
    expect(await made({ name: text("c"), storePolicy: 1, sizeBytes: 8_000 * TiB })).toMatchObject({
      storePolicy: 1,
      blockSizeShift: 22,
    });
  });

  test("any size in bytes, the largest that the slots hold included", async () => {
    const sheep = new MemorySheep();
    for (const [at, sizeBytes] of [1, 513, 4 * TiB].entries()) {
      const made = await createVdi(sheep, wish({ name: text(`v${at}`), sizeBytes }), never);
      expect(made.vdiSize).toBe(sizeBytes);
    }
  });
});

describe("the name of snapshots that are kept in another way", () => {
  const snapTime = { seconds: 1_700_000_000, nanoseconds: 0 };

  // [S-151]
  test("is refused, as a sheep would lose sight of them", async () => {
    const sheep = new MemorySheep();
    sheep.add({ name: text("test"), snapTime, copies: 2 });
    const error = await failure(sheep, { copyPolicy: 0x11 });
    expect(error.code).toBe("not_supported");
    expect(error.message).toContain("snapshot 1 of VDI 'test' is kept with plain copies");
    expect((await createVdi(sheep, wish({ copies: 3 }), never)).copies).toBe(3);
  });

  test("is refused to a clone", async () => {
    const sheep = new MemorySheep();
    sheep.add({ name: text("coded"), snapTime, tag: text("t"), copyPolicy: 0x11, copies: 3 });
    sheep.add({ name: text("plain"), snapTime, copies: 2 });
    const source = { name: text("coded"), snapshot: { tag: text("t") } };
    const clone = (name: string) => cloneVdi(sheep, source, text(name), never);
    await expect(clone("plain")).rejects.toMatchObject({ code: "not_supported" });
    expect((await clone("free")).copyPolicy).toBe(0x11);
  });
});

describe("a VDI that cannot be", () => {
  const rows: readonly [Partial<NewVdi>, string, RegExp][] = [
    [{ name: text("") }, "invalid", /empty/],
    [{ name: text("a\0") }, "invalid", /NUL/],
    [{ name: text("x".repeat(256)) }, "name_too_long", /256 bytes/],
    [{ sizeBytes: 0 }, "invalid", /size of 0 bytes/],
    [{ sizeBytes: 1.5 }, "invalid", /size/],
    [{ sizeBytes: 2 ** 53 }, "invalid", /size/],
    [{ objectBytes: 3 * MiB }, "invalid", /power of two from 1M to 1G/],
    [{ objectBytes: MiB / 2 }, "invalid", /power of two/],
    [{ objectBytes: 2 ** 31 }, "invalid", /power of two/],
    [{ copies: 0 }, "invalid", /copies/],
    [{ copies: 32 }, "invalid", /copies/],
    [{ copyPolicy: 0x30 }, "invalid", /copy policy/],
    [{ storePolicy: 1, objectBytes: MiB }, "invalid", /hypervolume has objects of 4M/],
    [{ sizeBytes: 4 * TiB + 1 }, "too_large", /objects of 8M or more/],
    [{ sizeBytes: 16 * TiB + 1, objectBytes: MiB }, "too_large", /objects of 32M or more/],
    [{ sizeBytes: 5_000 * TiB }, "too_large", /only a hypervolume .*--hypervolume/],
  ];
  for (const [fields, code, message] of rows) {
    test(`is refused before anything is created: ${message.source}`, async () => {
      const sheep = new MemorySheep();
      const error = await failure(sheep, fields);
      expect(error.code as string).toBe(code);
      expect(error.message).toMatch(message);
      expect(sheep.seen.filter(({ opcode }) => opcode === "newVdi")).toEqual([]);
    });
  }

  test("because the cluster's own object size makes it too large", async () => {
    const sheep = new MemorySheep();
    sheep.defaultShift = 20;
    expect((await failure(sheep, { sizeBytes: 2 * TiB })).message).toContain("objects of 2M");
  });

  test("because the name is taken", async () => {
    const sheep = new MemorySheep();
    sheep.add({ name: text("test") });
    expect(await failure(sheep, {})).toMatchObject({ code: "exists" });
  });

  test("because another client took the name a moment ago", async () => {
    const sheep = new MemorySheep();
    sheep.before = ({ opcode }) => {
      if (opcode === "newVdi") sheep.add({ name: text("test") });
    };
    expect(await failure(sheep, {})).toMatchObject({ code: "exists" });
  });
});

describe("when the answer is lost", () => {
  test("after it was created: it is found and told as created, once", async () => {
    const sheep = new MemorySheep();
    sheep.after = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    const made = await createVdi(sheep, wish(), never);
    expect(sheep.inodes.size).toBe(1);
    expect(sheep.headerOf(made.vid).vdiSize).toBe(64 * MiB);
  });

  test("before it was created: it is sent again", async () => {
    const sheep = new MemorySheep();
    let lost = 0;
    sheep.before = ({ opcode }) => {
      if (opcode === "newVdi" && lost++ < 2) throw doubt();
    };
    await createVdi(sheep, wish(), never);
    expect(sheep.inodes.size).toBe(1);
  });

  test("and the first copy lands only when it was sent again: created, once", async () => {
    const sheep = new MemorySheep();
    let sent = 0;
    sheep.before = ({ opcode }) => {
      if (opcode !== "newVdi") return;
      sent += 1;
      if (sent === 1) throw doubt();
      sheep.add({ name: text("test"), vdiSize: 64 * MiB });
    };
    await createVdi(sheep, wish(), never);
    expect(sheep.inodes.size).toBe(1);
  });

  test("and another client's VDI is there: the name is taken", async () => {
    const sheep = new MemorySheep();
    sheep.before = ({ opcode }) => {
      if (opcode !== "newVdi") return;
      sheep.add({ name: text("test"), vdiSize: 7 });
      throw doubt();
    };
    expect(await failure(sheep, {})).toMatchObject({ code: "exists" });
  });

  test("again and again: it fails with what was wrong", async () => {
    const sheep = new MemorySheep();
    sheep.before = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    expect(await failure(sheep, {})).toMatchObject({ code: "unavailable", inDoubt: true });
  });
});
