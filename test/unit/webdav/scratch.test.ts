import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { DavWorld, lockBody } from "./world.ts";

/** A collection with something in it, as `d/f`, `d/e/g` and `h`. */
async function filled(): Promise<DavWorld> {
  const world = new DavWorld();
  await world.must("MKCOL", "/scratch/d");
  await world.must("MKCOL", "/scratch/d/e/");
  await world.must("PUT", "/scratch/d/f", { body: "f" });
  await world.must("PUT", "/scratch/d/e/g", { body: "g" });
  await world.must("PUT", "/scratch/h", { body: "h" });
  return world;
}

async function content(world: DavWorld, path: string): Promise<string | number> {
  const answer = await world.ask("GET", path);
  if (answer.status !== 200) return answer.status;
  const found = await world.site.tree.root.lookup("scratch", world.clock.scope());
  let node = found;
  for (const name of path.split("/").slice(2)) {
    node = node?.kind === "dir" ? await node.lookup(name, world.clock.scope()) : null;
  }
  if (node?.kind !== "file") throw new Error(`${path} is no file`);
  const file = await node.open("read", world.clock.scope());
  const bytes = new Uint8Array(file.sizeBytes());
  await file.read(bytes, 0, world.clock.scope());
  return new TextDecoder().decode(bytes);
}

// [S-64]
describe("COPY and MOVE", () => {
  for (const [method, source, fields, status] of [
    ["COPY", "/scratch/h", { destination: "/scratch/new" }, 201],
    ["COPY", "/scratch/h", { destination: "http://here/scratch/new" }, 201],
    ["COPY", "/scratch/h", { destination: "/scratch/d/f" }, 204],
    ["COPY", "/scratch/h", { destination: "/scratch/d/f", overwrite: "T" }, 204],
    ["COPY", "/scratch/h", { destination: "/scratch/d/f", overwrite: "F" }, 412],
    ["COPY", "/scratch/h", { destination: "/scratch/new", overwrite: "F" }, 201],
    ["COPY", "/scratch/h", { destination: "/scratch/new", overwrite: "x" }, 400],
    ["COPY", "/scratch/h", { destination: "/scratch/new", "if-match": '"x"' }, 412],
    ["COPY", "/scratch/h", { destination: "/scratch/new", "if-match": "*" }, 201],
    ["COPY", "/scratch/h", {}, 400],
    ["COPY", "/scratch/h", { destination: "new" }, 400],
    ["COPY", "/scratch/h", { destination: "/scratch/../new" }, 400],
    ["COPY", "/scratch/h", { destination: "http://other/scratch/new" }, 502],
    ["COPY", "/scratch/h", { destination: "http://here:81/scratch/new" }, 502],
    ["COPY", "/scratch/h", { destination: "/scratch/none/new" }, 409],
    ["COPY", "/scratch/h", { destination: "/scratch/d/f/new" }, 409],
    ["COPY", "/scratch/h", { destination: "/scratch/h" }, 403],
    ["COPY", "/scratch/h", { destination: "/volume/new" }, 403],
    ["COPY", "/scratch/h", { destination: "/volume/big" }, 403],
    ["COPY", "/scratch/h", { destination: "/" }, 403],
    ["COPY", "/scratch/d/", { destination: "/scratch/new" }, 201],
    ["COPY", "/scratch/d", { destination: "/scratch/new/", depth: "infinity" }, 201],
    ["COPY", "/scratch/d", { destination: "/scratch/new", depth: "0" }, 201],
    ["COPY", "/scratch/d", { destination: "/scratch/new", depth: "1" }, 400],
    ["COPY", "/scratch/d", { destination: "/scratch/h" }, 204],
    ["COPY", "/scratch/h", { destination: "/scratch/d" }, 204],
    ["COPY", "/scratch/d", { destination: "/scratch/d/e/new" }, 403],
    ["COPY", "/scratch/d/e", { destination: "/scratch/d" }, 403],
    ["COPY", "/scratch/", { destination: "/scratch/new" }, 403],
    ["COPY", "/scratch/none", { destination: "/scratch/new" }, 404],
    ["MOVE", "/scratch/h", { destination: "/scratch/new" }, 201],
    ["MOVE", "/scratch/h", { destination: "/scratch/d/f" }, 204],
    ["MOVE", "/scratch/h", { destination: "/scratch/d/f", overwrite: "F" }, 412],
    ["MOVE", "/scratch/h", { destination: "/scratch/h" }, 403],
    ["MOVE", "/scratch/h", { destination: "http://other/new" }, 502],
    ["MOVE", "/scratch/h", { destination: "/volume/new" }, 403],
    ["MOVE", "/scratch/d", { destination: "/scratch/new" }, 201],
    ["MOVE", "/scratch/d", { destination: "/scratch/new", depth: "0" }, 400],
    ["MOVE", "/scratch/d", { destination: "/scratch/h" }, 204],
    ["MOVE", "/scratch/d", { destination: "/scratch/d/new" }, 403],
    ["MOVE", "/scratch/d/e", { destination: "/scratch/d" }, 403],
  ] as const) {
    test(`${method} ${source} with ${JSON.stringify(fields)} is ${status}`, async () => {
      const world = await filled();
      const everything = async (): Promise<string[]> =>
        (await Promise.all(["/scratch/", "/scratch/d/"].map((path) => world.names(path)))).flat();
      const before = await everything();
      expect((await world.ask(method, source, { fields })).status).toBe(status);
      if (status >= 300) expect(await everything()).toEqual(before);
    });
  }

  test("of a directory take everything below along, or nothing", async () => {
    const world = await filled();
    await world.must("COPY", "/scratch/d", { fields: { destination: "/scratch/a" } });
    expect(await content(world, "/scratch/a/e/g")).toBe("g");
    expect(await content(world, "/scratch/d/e/g")).toBe("g");
    await world.must("COPY", "/scratch/d", { fields: { destination: "/scratch/b", depth: "0" } });
    expect(await world.names("/scratch/b/")).toEqual([]);
    await world.must("MOVE", "/scratch/d", { fields: { destination: "/scratch/b" } });
    expect(await content(world, "/scratch/b/e/g")).toBe("g");
    expect(await content(world, "/scratch/d/e/g")).toBe(404);
    await world.must("COPY", "/scratch/h", { fields: { destination: "/scratch/b" } });
    expect(await content(world, "/scratch/b")).toBe("h");
    expect(await world.names("/scratch/")).toEqual(["/scratch/h", "/scratch/a/", "/scratch/b"]);
  });

  test("that fail leave everything as it was", async () => {
    const world = await filled();
    let path = "/scratch/deep";
    await world.must("MKCOL", path);
    for (let depth = 2; depth <= limits.scratchDepthMax; depth += 1) {
      path += "/x";
      await world.must("MKCOL", path);
    }
    for (const method of ["COPY", "MOVE"]) {
      const fields = { destination: `${path}/d` };
      expect((await world.ask(method, "/scratch/d", { fields })).status).toBe(507);
      expect(await world.names(`${path}/`)).toEqual([]);
      expect(await content(world, "/scratch/d/e/g")).toBe("g");
    }
  });

  test("to one name at the same time put one of them there", async () => {
    for (const method of ["COPY", "MOVE"]) {
      const world = await filled();
      const fields = { destination: "/scratch/new" };
      const answers = await Promise.all(
        ["/scratch/h", "/scratch/d/f"].map((path) => world.ask(method, path, { fields })),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses[0]).toBe(201);
      expect([204, 409]).toContain(statuses[1] ?? 0);
      const names = await world.names("/scratch/");
      expect(names).toContain("/scratch/new");
      expect(names.filter((name) => name.includes(".sheepfs"))).toEqual([]);
    }
  });

  test("leave locks behind, and a copy is not locked", async () => {
    const world = await filled();
    const made = await world.must("LOCK", "/scratch/h", { body: lockBody("exclusive") });
    await world.must("COPY", "/scratch/h", { fields: { destination: "/scratch/a" } });
    expect((await world.ask("PUT", "/scratch/a", { body: "x" })).status).toBe(204);
    const to = { destination: "/scratch/h" };
    expect((await world.ask("COPY", "/scratch/a", { fields: to })).status).toBe(423);
    expect((await world.ask("MOVE", "/scratch/a", { fields: to })).status).toBe(423);
    // What is written over by who has the lock stays locked.
    const over = { ...to, if: `</scratch/h> (<${made.token}>)` };
    expect((await world.ask("COPY", "/scratch/a", { fields: over })).status).toBe(204);
    expect((await world.ask("PUT", "/scratch/h", { body: "x" })).status).toBe(423);
    const away = { destination: "/scratch/b", if: `(<${made.token}>)` };
    expect((await world.ask("MOVE", "/scratch/h", { fields: away })).status).toBe(201);
    expect((await world.ask("PUT", "/scratch/b", { body: "x" })).status).toBe(204);
    expect((await world.ask("PUT", "/scratch/h", { body: "x" })).status).toBe(201);
  });
});

// [S-64]
describe("the scratch collection", () => {
  test("replaces a file as a whole, and a part of it where that is asked for", async () => {
    const world = await filled();
    await world.must("PUT", "/scratch/h", { body: "long" });
    const first = (await world.must("GET", "/scratch/h")).field("etag");
    await world.must("PUT", "/scratch/h", { body: "x" });
    expect(await content(world, "/scratch/h")).toBe("x");
    await world.must("PUT", "/scratch/h", {
      fields: { "content-range": "bytes 1-2/*" },
      body: "yz",
    });
    expect(await content(world, "/scratch/h")).toBe("xyz");
    expect((await world.must("GET", "/scratch/h")).field("etag")).not.toBe(first);
  });

  test("removes what is deleted, with everything below", async () => {
    const world = await filled();
    expect((await world.ask("DELETE", "/scratch/d/", { fields: { depth: "0" } })).status).toBe(400);
    expect((await world.ask("DELETE", "/scratch/d/")).status).toBe(204);
    expect((await world.ask("DELETE", "/scratch/d/")).status).toBe(404);
    expect(await content(world, "/scratch/d/e/g")).toBe(404);
    expect((await world.ask("DELETE", "/scratch/")).status).toBe(403);
  });

  test("makes directories, one at a time and without a body", async () => {
    const world = await filled();
    for (const [path, asking, status] of [
      ["/scratch/new", {}, 201],
      ["/scratch/new", {}, 405],
      ["/scratch/h", {}, 405],
      ["/scratch/none/new", {}, 409],
      ["/scratch/h/new", {}, 409],
      ["/scratch/other", { body: "x" }, 415],
      ["/scratch/other", { body: "x", chunked: true }, 415],
      ["/scratch/other", { chunked: true }, 201],
      [`/scratch/${"x".repeat(256)}`, {}, 400],
    ] as const) {
      expect((await world.ask("MKCOL", path, asking)).status).toBe(status);
    }
  });

  test("is full at its bounds, and has room again for what was removed", async () => {
    const world = new DavWorld();
    let path = "/scratch";
    for (let depth = 1; depth <= limits.scratchDepthMax; depth += 1) {
      path += "/d";
      await world.must("MKCOL", path);
    }
    expect((await world.ask("MKCOL", `${path}/d`)).status).toBe(507);
    await world.must("DELETE", "/scratch/d");
    const half = new Uint8Array(limits.scratchBytesMax / 2);
    await world.must("PUT", "/scratch/a", { body: half });
    await world.must("PUT", "/scratch/b", { body: half });
    const to = { fields: { destination: "/scratch/c" } };
    expect((await world.ask("PUT", "/scratch/c", { body: "x" })).status).toBe(507);
    expect((await world.ask("COPY", "/scratch/a", to)).status).toBe(507);
    await world.must("DELETE", "/scratch/c");
    expect(await world.names("/scratch/")).toEqual(["/scratch/a", "/scratch/b"]);
    await world.must("DELETE", "/scratch/b");
    await world.must("COPY", "/scratch/a", to);
    await world.must("DELETE", "/scratch/a");
    for (let count = 1; count < limits.scratchNodesMax; count += 1) {
      await world.must("MKCOL", `/scratch/n${count}`);
    }
    expect((await world.ask("MKCOL", "/scratch/more")).status).toBe(507);
    expect((await world.ask("PUT", "/scratch/more", { body: "" })).status).toBe(507);
    await world.must("DELETE", "/scratch/n1");
    await world.must("MKCOL", "/scratch/more");
  });
});
