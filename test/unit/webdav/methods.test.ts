import { describe, expect, test } from "bun:test";
import { DavWorld, lockBody } from "./world.ts";

const dirs = "/volume/";
const text = "/cluster/info";
const control = "/vdi/mount";
const volume = "/volume/big";
const snapshot = "/volume/big@1";

const places = { dirs, text, control, volume, snapshot };
type Place = keyof typeof places;

/**
 * What each method does with each kind of node where its directory has no verbs; SEMANTICS.md has the
 * same table, with what those of volume/ and snapshot/ add (test/conformance).
 */
describe("a method on a node", () => {
  const to = { destination: "http://here/scratch/x" };
  const range = { "content-range": "bytes 0-2/4096" };
  const update = {
    "x-update-range": "bytes=0-2",
    "content-type": "application/x-sabredav-partialupdate",
  };
  // [S-55] [S-58] [S-60] [S-63]
  for (const [method, fields, body, statuses] of [
    ["GET", {}, "", [200, 200, 200, 200, 200]],
    ["HEAD", {}, "", [200, 200, 200, 200, 200]],
    ["OPTIONS", {}, "", [200, 200, 200, 200, 200]],
    ["PUT", {}, "one", [405, 403, 204, 204, 403]],
    ["PUT", range, "one", [405, 403, 400, 204, 403]],
    ["PATCH", update, "one", [405, 403, 400, 204, 403]],
    ["DELETE", {}, "", [403, 403, 403, 403, 403]],
    ["COPY", to, "", [403, 403, 403, 403, 403]],
    ["MOVE", to, "", [403, 403, 403, 403, 403]],
    ["MKCOL", {}, "", [405, 405, 405, 405, 405]],
    ["PROPFIND", { depth: "0" }, "", [207, 207, 207, 207, 207]],
    ["PROPFIND", { depth: "1" }, "", [207, 207, 207, 207, 207]],
    ["PROPFIND", { depth: "infinity" }, "", [403, 207, 207, 207, 207]],
    ["PROPFIND", {}, "", [403, 207, 207, 207, 207]],
    [
      "PROPPATCH",
      {},
      '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><a/></D:prop></D:set></D:propertyupdate>',
      [207, 207, 207, 207, 207],
    ],
    ["LOCK", {}, lockBody("exclusive"), [200, 200, 200, 200, 200]],
    ["POST", {}, "x", [405, 405, 405, 405, 405]],
    ["REPORT", {}, "", [501, 501, 501, 501, 501]],
    ["TRACE", {}, "", [501, 501, 501, 501, 501]],
    ["get", {}, "", [501, 501, 501, 501, 501]],
  ] as const) {
    const names = Object.keys(places) as Place[];
    names.forEach((place, at) => {
      test(`${method} ${JSON.stringify(fields)} of ${place} is ${statuses[at]}`, async () => {
        const world = new DavWorld();
        const answer = await world.ask(method, places[place], { fields, body });
        expect(answer.status).toBe(statuses[at] ?? 0);
        if (answer.status === 405) expect(answer.field("allow")).toContain("OPTIONS");
        if (method === "MKCOL") expect(answer.text).toContain("it exists already");
        if (answer.status === 403 && method === "PROPFIND") {
          expect(answer.text).toContain(
            '<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>',
          );
        }
      });
    });
  }

  for (const [method, fields, inTree, noParent] of [
    ["GET", {}, 404, 404],
    ["PUT", {}, 403, 409],
    ["PATCH", {}, 404, 404],
    ["DELETE", {}, 404, 404],
    ["COPY", to, 404, 404],
    ["MOVE", to, 404, 404],
    ["MKCOL", {}, 403, 409],
    ["PROPFIND", {}, 404, 404],
    ["PROPPATCH", {}, 404, 404],
    ["OPTIONS", {}, 404, 404],
    ["POST", {}, 404, 404],
    ["UNLOCK", { "lock-token": "<urn:a>" }, 404, 404],
  ] as const) {
    test(`${method} of a name that is free is ${inTree}`, async () => {
      const world = new DavWorld();
      expect((await world.ask(method, "/volume/free", { fields })).status).toBe(inTree);
      expect((await world.ask(method, "/none/free", { fields })).status).toBe(noParent);
      expect((await world.ask(method, "/cluster/info/free", { fields })).status).toBe(noParent);
    });
  }

  test("LOCK of a name that is free is 403 in the tree, 409 without a directory", async () => {
    const world = new DavWorld();
    const body = lockBody("exclusive");
    expect((await world.ask("LOCK", "/volume/free", { body })).status).toBe(403);
    expect((await world.ask("LOCK", "/none/free", { body })).status).toBe(409);
    expect((await world.ask("LOCK", "/volume/.DS_Store", { body })).status).toBe(403);
  });

  test("a file is not found under its name with a slash", async () => {
    const world = new DavWorld();
    for (const method of ["GET", "PROPFIND", "DELETE", "COPY", "OPTIONS", "LOCK"]) {
      const body = method === "LOCK" ? lockBody("shared") : "";
      expect((await world.ask(method, "/volume/big/", { body })).status).toBe(404);
    }
    expect((await world.ask("PROPFIND", "/volume", { fields: { depth: "0" } })).status).toBe(207);
  });

  // [S-66]
  test("a read-only server refuses what writes, and locks what there is", async () => {
    const world = new DavWorld({ readOnly: true });
    for (const method of ["PUT", "PATCH", "PROPPATCH", "MKCOL", "DELETE", "COPY", "MOVE"]) {
      expect((await world.ask(method, "/scratch/x", { fields: to, body: "x" })).status).toBe(403);
    }
    const body = lockBody("exclusive");
    expect((await world.ask("LOCK", "/scratch/x", { body })).status).toBe(403);
    expect((await world.ask("LOCK", volume, { body })).status).toBe(200);
    expect((await world.ask("OPTIONS", volume)).field("allow")).toBe(
      "OPTIONS, GET, HEAD, PROPFIND, LOCK, UNLOCK",
    );
  });

  // [S-56]
  test("a path that means nothing is 400, one outside of the base path 404", async () => {
    const world = new DavWorld({ basePath: "/dav" });
    expect((await world.ask("GET", "/dav/../x")).status).toBe(400);
    expect((await world.ask("PUT", "/dav/a%2fb")).status).toBe(400);
    expect((await world.ask("DELETE", "/dav/scratch/#x")).status).toBe(400);
    expect((await world.ask("GET", "/cluster/info")).status).toBe(404);
    expect((await world.ask("GET", "/dav/cluster/info")).status).toBe(200);
  });
});

describe("OPTIONS", () => {
  for (const [path, allow] of [
    ["/", "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
    [text, "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
    [snapshot, "OPTIONS, GET, HEAD, COPY, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
    [control, "OPTIONS, GET, HEAD, PUT, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
    [volume, "OPTIONS, GET, HEAD, PUT, PATCH, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
    ["/scratch/", "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
    ["/scratch/free", "OPTIONS, MKCOL, PUT, LOCK"],
    ["/scratch/d/", "OPTIONS, GET, HEAD, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK"],
  ] as const) {
    test(`tells what can be done to ${path}`, async () => {
      const world = new DavWorld();
      await world.must("MKCOL", "/scratch/d");
      const answer = await world.must("OPTIONS", path);
      expect(answer.field("allow")).toBe(allow);
      expect(answer.field("dav")).toBe("1, 2, 3");
      expect(answer.field("ms-author-via")).toBe("DAV");
      expect(answer.field("accept-ranges")).toBe("bytes");
      expect(answer.field("accept-patch")).toBe(
        path === volume ? "application/x-sabredav-partialupdate" : null,
      );
    });
  }

  test("of the server itself tells all methods; no other method has it as a target", async () => {
    const world = new DavWorld();
    const answer = await world.must("OPTIONS", "*");
    expect(answer.field("dav")).toBe("1, 2, 3");
    expect(answer.field("allow")?.split(", ").sort()).toEqual([
      ...["COPY", "DELETE", "GET", "HEAD", "LOCK", "MKCOL", "MOVE", "OPTIONS", "PATCH"],
      ...["PROPFIND", "PROPPATCH", "PUT", "UNLOCK"],
    ]);
    expect((await world.ask("GET", "*")).status).toBe(400);
  });
});
