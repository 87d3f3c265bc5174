import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { DavWorld, lockBody } from "./world.ts";

async function lock(
  world: DavWorld,
  path: string,
  fields: Readonly<Record<string, string>> = {},
  scope: "exclusive" | "shared" = "exclusive",
): Promise<string> {
  return (await world.must("LOCK", path, { fields, body: lockBody(scope) })).token;
}

const note =
  '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><a/></D:prop></D:set></D:propertyupdate>';

describe("LOCK", () => {
  test("answers with the lock, and the owner as it was told", async () => {
    const world = new DavWorld();
    const owner = '<D:owner><x:me xmlns:x="u" a="&amp;">it is me</x:me></D:owner>';
    const answer = await world.must("LOCK", "/volume/", {
      fields: { timeout: "Second-100", depth: "infinity" },
      body: lockBody("exclusive", owner),
    });
    expect(answer.status).toBe(200);
    expect(answer.field("lock-token")).toBe(`<${answer.token}>`);
    const discovery =
      "<D:lockdiscovery><D:activelock><D:locktype><D:write/></D:locktype>" +
      "<D:lockscope><D:exclusive/></D:lockscope><D:depth>infinity</D:depth>" +
      `${owner}<D:timeout>Second-100</D:timeout>` +
      `<D:locktoken><D:href>${answer.token}</D:href></D:locktoken>` +
      "<D:lockroot><D:href>/volume/</D:href></D:lockroot></D:activelock></D:lockdiscovery>";
    expect(answer.text).toBe(
      `<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:">${discovery}</D:prop>\n`,
    );
    world.clock.advance(10_000);
    const body = '<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>';
    const found = await world.must("PROPFIND", "/volume/big", { fields: { depth: "0" }, body });
    expect(found.text).toContain(discovery.replace("100", "90"));
  });

  // [S-57] [S-58]
  test("keeps others from writing, and from nothing else", async () => {
    const world = new DavWorld();
    for (const path of ["/volume/big", "/vdi/mount"]) {
      const token = await lock(world, path, { depth: "0" });
      for (const [method, body] of [
        ["PUT", "web\n"],
        ["PROPPATCH", note],
        ["LOCK", lockBody("shared")],
      ] as const) {
        const answer = await world.ask(method, path, { body });
        expect(answer.status).toBe(423);
        const reason = method === "LOCK" ? "no-conflicting-lock" : "lock-token-submitted";
        expect(answer.text).toContain(`<D:${reason}><D:href>${path}</D:href></D:${reason}>`);
      }
      expect((await world.ask("GET", path)).status).toBe(200);
      const fields = { if: `(<${token}>)` };
      expect((await world.ask("PUT", path, { fields, body: "web\n" })).status).toBe(204);
      expect((await world.ask("PROPPATCH", path, { fields, body: note })).status).toBe(207);
      await world.must("UNLOCK", path, { fields: { "lock-token": `<${token}>` } });
      expect((await world.ask("PUT", path, { body: "" })).status).toBe(204);
    }
    expect(world.commands).toEqual(["web\n"]);
  });

  // [S-57]
  test("of a directory holds for its names, and with all depth for what is in it", async () => {
    const world = new DavWorld();
    await world.must("MKCOL", "/scratch/d");
    await world.must("PUT", "/scratch/d/f", { body: "x" });
    const shallow = await lock(world, "/scratch/d/", { depth: "0" });
    const to = { destination: "/scratch/d/new" };
    expect((await world.ask("PUT", "/scratch/d/f", { body: "y" })).status).toBe(204);
    expect((await world.ask("PUT", "/scratch/d/new", { body: "y" })).status).toBe(423);
    expect((await world.ask("MKCOL", "/scratch/d/new")).status).toBe(423);
    expect((await world.ask("DELETE", "/scratch/d/f")).status).toBe(423);
    expect((await world.ask("COPY", "/scratch/d/f", { fields: to })).status).toBe(423);
    const body = lockBody("exclusive");
    expect((await world.ask("LOCK", "/scratch/d/new", { body })).status).toBe(423);
    const fields = { if: `</scratch/d/> (<${shallow}>)`, "lock-token": `<${shallow}>` };
    expect((await world.ask("PUT", "/scratch/d/new", { fields, body: "y" })).status).toBe(201);
    await world.must("UNLOCK", "/scratch/d/", { fields });
    const deep = await lock(world, "/scratch/d/");
    expect((await world.ask("PUT", "/scratch/d/f", { body: "z" })).status).toBe(423);
    const shown = { fields: { if: `(<${deep}>)` }, body: "z" };
    expect((await world.ask("PUT", "/scratch/d/f", shown)).status).toBe(204);
    expect((await world.ask("PUT", "/scratch/e", { body: "z" })).status).toBe(201);
  });

  test("of what has locks in it says which, and removing it says so too", async () => {
    const world = new DavWorld();
    await world.must("MKCOL", "/scratch/d");
    await world.must("PUT", "/scratch/d/f", { body: "x" });
    await lock(world, "/scratch/d/f");
    const body = lockBody("exclusive");
    const answer = await world.ask("LOCK", "/scratch/d/", { body });
    expect(answer.status).toBe(207);
    expect(answer.text).toContain("<D:href>/scratch/d/f</D:href><D:status>HTTP/1.1 423 Locked");
    expect(answer.text).toContain("<D:href>/scratch/d/</D:href><D:status>HTTP/1.1 424 Failed");
    expect(answer.field("lock-token")).toBeNull();
    const to = { destination: "/scratch/e" };
    for (const method of ["DELETE", "MOVE"]) {
      const refused = await world.ask(method, "/scratch/d", { fields: to });
      expect(refused.status).toBe(207);
      expect(refused.text).toContain("<D:href>/scratch/d/f</D:href><D:status>HTTP/1.1 423 Locked");
    }
    expect(await world.names("/scratch/d/")).toEqual(["/scratch/d/f"]);
  });

  // [S-58]
  test("of a name that is free makes an empty file", async () => {
    const world = new DavWorld();
    const answer = await world.ask("LOCK", "/scratch/new", { body: lockBody("exclusive") });
    expect(answer.status).toBe(201);
    expect((await world.must("GET", "/scratch/new")).response.body).toBeNull();
    expect((await world.ask("PUT", "/scratch/new", { body: "x" })).status).toBe(423);
    const fields = { if: `(<${answer.token}>)` };
    expect((await world.ask("PUT", "/scratch/new", { fields, body: "x" })).status).toBe(204);
  });

  // [S-59]
  test("without a body gives more time, also by a name below", async () => {
    const world = new DavWorld();
    await world.must("MKCOL", "/scratch/d");
    await world.must("PUT", "/scratch/d/f", { body: "x" });
    const token = await lock(world, "/scratch/d", { timeout: "Second-60" });
    world.clock.advance(50_000);
    const fields = { if: `(<${token}>)`, timeout: "Second-70" };
    const answer = await world.must("LOCK", "/scratch/d/f", { fields });
    expect(answer.text).toContain("<D:timeout>Second-70</D:timeout>");
    expect(answer.text).toContain("<D:href>/scratch/d/</D:href>");
    expect(answer.field("lock-token")).toBeNull();
    world.clock.advance(60_000);
    expect((await world.ask("PUT", "/scratch/d/f", { body: "y" })).status).toBe(423);
    world.clock.advance(10_000);
    expect((await world.ask("PUT", "/scratch/d/f", { body: "y" })).status).toBe(204);
    expect((await world.ask("LOCK", "/scratch/d/f", { fields })).status).toBe(412);
    expect((await world.ask("LOCK", "/scratch/d/f")).status).toBe(400);
  });

  test("holds as long as was asked for, within bounds", async () => {
    const world = new DavWorld();
    for (const [timeout, seconds] of [
      [null, limits.davLockSecondsDefault],
      ["Infinite, Second-4100000000", limits.davLockSecondsMax],
      ["Second-1", limits.davLockSecondsMin],
    ] as const) {
      const fields: Record<string, string> = timeout === null ? {} : { timeout };
      const answer = await world.must("LOCK", "/volume/big", {
        fields,
        body: lockBody("exclusive"),
      });
      expect(answer.text).toContain(`<D:timeout>Second-${seconds}</D:timeout>`);
      await world.must("UNLOCK", "/volume/big", { fields: { "lock-token": `<${answer.token}>` } });
    }
  });

  for (const [about, body, status] of [
    ["no scope", lockBody("exclusive").replace(/<D:lockscope>.*<\/D:lockscope>/, ""), 400],
    ["no type", lockBody("exclusive").replace(/<D:locktype>.*<\/D:locktype>/, ""), 400],
    ["another scope", lockBody("exclusive").replace("exclusive", "mine"), 400],
    [
      "both scopes",
      lockBody("exclusive").replace("<D:exclusive/>", "<D:exclusive/><D:shared/>"),
      400,
    ],
    ["another root", lockBody("exclusive").replaceAll("lockinfo", "propfind"), 400],
    ["no XML", "x", 400],
    [
      "a long owner",
      lockBody("shared", `<D:owner>${"x".repeat(limits.davLockOwnerBytesMax)}</D:owner>`),
      413,
    ],
  ] as const) {
    test(`with ${about} is ${status}`, async () => {
      const world = new DavWorld();
      expect((await world.ask("LOCK", "/volume/big", { body })).status).toBe(status);
      expect(world.site.locks.at(["volume", "big"])).toEqual([]);
    });
  }

  test("has no depth of one", async () => {
    const asking = { fields: { depth: "1" }, body: lockBody("shared") };
    expect((await new DavWorld().ask("LOCK", "/volume/", asking)).status).toBe(400);
  });
});

describe("UNLOCK", () => {
  test("needs the token of a lock that holds there", async () => {
    const world = new DavWorld();
    const token = await lock(world, "/volume/big");
    for (const [field, path, status] of [
      [null, "/volume/big", 400],
      ["", "/volume/big", 400],
      [token, "/volume/big", 400],
      ["<urn:uuid:other>", "/volume/big", 409],
      [`<${token}>`, "/cluster/info", 409],
      [`<${token}>`, "/volume/none", 404],
      [`<${token}>`, "/volume/big", 204],
      [`<${token}>`, "/volume/big", 409],
    ] as const) {
      const fields: Record<string, string> = field === null ? {} : { "lock-token": field };
      expect((await world.ask("UNLOCK", path, { fields })).status).toBe(status);
    }
  });

  test("ends the lock of what has gone meanwhile", async () => {
    const world = new DavWorld();
    const token = await lock(world, "/volume/big");
    const volumes = await world.site.tree.root.lookup("volume", world.clock.scope());
    (volumes as unknown as { children: Map<string, unknown> }).children.delete("big");
    const fields = { "lock-token": `<${token}>` };
    expect((await world.ask("UNLOCK", "/volume/big", { fields })).status).toBe(204);
  });
});

describe("what clients keep about a node", () => {
  // [S-59] [S-61]
  test.each([
    ["nothing can be removed", {}],
    ["names can be removed", { remove: () => {} }],
  ])(
    "is gone when the node goes by itself, where %s, and is not the next one's of that name",
    async (_, verbs) => {
      const world = new DavWorld();
      const volumes = world.tree.root.children.get("volume");
      Object.assign(volumes ?? {}, verbs);
      await lock(world, "/volume/big@1");
      const token = await lock(world, "/volume/big");
      const fields = { if: `(<${token}>)` };
      await world.must("PROPPATCH", "/volume/big", { fields, body: note });
      const child = { name: "big", id: world.volume.id };
      world.tree.emit({ id: volumes?.id ?? 0, what: "children", child });
      expect([...world.site.properties.of(["volume", "big"])]).toEqual([]);
      expect((await world.ask("PUT", "/volume/big", { body: "new" })).status).toBe(204);
      expect((await world.ask("LOCK", "/volume/big@1", { body: lockBody("shared") })).status).toBe(
        423,
      );
    },
  );

  test("is kept while other things come and go", async () => {
    const world = new DavWorld();
    await lock(world, "/scratch/a");
    await lock(world, "/volume/big");
    const volumes = world.tree.root.children.get("volume");
    world.tree.emit({ id: volumes?.id ?? 0, what: "children", child: { name: "a", id: 99 } });
    world.tree.emit({ id: 99, what: "children", child: { name: "big", id: world.volume.id } });
    for (const path of ["/scratch/a", "/volume/big"]) {
      expect((await world.ask("PUT", path, { body: "x" })).status).toBe(423);
    }
  });
});

describe("a lock of one user", () => {
  // [S-57]
  test("is nobody else's, though its token can be read", async () => {
    const world = new DavWorld();
    const body = lockBody("exclusive");
    for (const path of ["/volume/big", "/scratch/free"]) {
      const { token } = await world.must("LOCK", path, { body, user: "anna" });
      const fields = { if: `<${path}> (<${token}>)`, "lock-token": `<${token}>` };
      for (const [method, status] of [
        ["PUT", 423],
        ["PROPPATCH", 423],
        ["LOCK", 403],
        ["UNLOCK", 403],
      ] as const) {
        const asking = {
          fields,
          body: method === "PUT" ? "x" : method === "PROPPATCH" ? note : "",
        };
        expect((await world.ask(method, path, { ...asking, user: "otto" })).status).toBe(status);
        const own = await world.ask(method, path, { ...asking, user: "anna" });
        expect([method, own.status < 300]).toEqual([method, true]);
      }
    }
  });
});

describe("an If header field", () => {
  // [S-57]
  for (const [field, status] of [
    ["(<TOKEN>)", 204],
    ["(<urn:uuid:other>)", 412],
    ["(<urn:uuid:other>) (<TOKEN>)", 204],
    ["(Not <urn:uuid:other>)", 423],
    ["(<TOKEN>) (Not <DAV:no-lock>)", 204],
    ["(Not <TOKEN>)", 412],
    ["(<TOKEN> [ETAG])", 204],
    ['(<TOKEN> ["other"])', 412],
    ['(<TOKEN> Not ["other"])', 204],
    ["([ETAG])", 423],
    ["</scratch/f> (<TOKEN>)", 204],
    ["<http://here/scratch/f> (<TOKEN>)", 204],
    ["</scratch/g> (<TOKEN>)", 412],
    ["</scratch/g> (Not <TOKEN>)", 204],
    ["<http://elsewhere/scratch/f> (<TOKEN>)", 412],
    ["</scratch/g> (<urn:a>) </scratch/f> (<TOKEN>)", 204],
    ["<TOKEN>", 400],
    ["(TOKEN)", 400],
    ["</../x> (<TOKEN>)", 400],
  ] as const) {
    test(`${field} lets a write of what is locked be ${status}`, async () => {
      const world = new DavWorld();
      const made = await world.must("PUT", "/scratch/f", { body: "x" });
      const token = await lock(world, "/scratch/f");
      const etag = made.field("etag") ?? "";
      const fields = { if: field.replaceAll("TOKEN", token).replaceAll("ETAG", etag) };
      const answer = await world.ask("PUT", "/scratch/f", { fields, body: "y" });
      expect(answer.status).toBe(status);
      const { text } = await world.must("PROPFIND", "/scratch/f", { fields: { depth: "0" } });
      expect(text.includes(etag.replaceAll('"', ""))).toBe(status !== 204);
    });
  }

  test("counts for every method", async () => {
    const world = new DavWorld();
    const fields = { if: "(<urn:uuid:none>)" };
    for (const method of ["GET", "HEAD", "OPTIONS", "PROPFIND", "DELETE", "MKCOL", "UNLOCK"]) {
      expect((await world.ask(method, "/volume/big", { fields })).status).toBe(412);
    }
  });
});
