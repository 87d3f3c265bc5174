import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import type { HttpResponse } from "../../../src/http/exchange.ts";
import type { Node } from "../../../src/tree/node.ts";
import { route } from "../../../src/webdav/router.ts";
import { MemoryDir, MemoryVolume } from "../fuse/memory-tree.ts";
import { requestOf } from "./requests.ts";
import { DavWorld, hrefsIn } from "./world.ts";

const ask = (props: string): string =>
  `<?xml version="1.0"?><D:propfind xmlns:D="DAV:" xmlns:s="urn:sheepfs:file">${props}</D:propfind>`;

async function propfind(world: DavWorld, path: string, body = "", depth = "0"): Promise<string> {
  return (await world.must("PROPFIND", path, { fields: { depth }, body })).text;
}

/** A volume of which more is known. */
function knownVolume(): MemoryVolume {
  return Object.assign(new MemoryVolume(4096), {
    version: () => ({ tag: "v1", strong: false, modifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }),
    details: () =>
      new Map([
        ["vid", "7c2b25"],
        ["copies", "2"],
      ]),
  });
}

describe("PROPFIND", () => {
  // [S-60]
  test("gives what is asked for, and says what there is not", async () => {
    const world = new DavWorld({ children: { a: knownVolume() } });
    const wish =
      "<D:prop><D:getcontentlength/><D:getetag/><s:vid/><s:none/><none/><D:none/></D:prop>";
    expect(await propfind(world, "/a", ask(wish))).toBe(
      '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n' +
        "<D:response><D:href>/a</D:href>" +
        "<D:propstat><D:prop><D:getcontentlength>4096</D:getcontentlength>" +
        '<D:getetag>W/"v1"</D:getetag>' +
        '<x:vid xmlns:x="urn:sheepfs:file">7c2b25</x:vid></D:prop>' +
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat>" +
        '<D:propstat><D:prop><x:none xmlns:x="urn:sheepfs:file"/><none/><D:none/></D:prop>' +
        "<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>" +
        "</D:response></D:multistatus>\n",
    );
  });

  test("gives everything that is commonly asked for, and what clients have noted", async () => {
    const world = new DavWorld({ children: { a: knownVolume() } });
    const set = "<D:set><D:prop><n:note xmlns:n='u'>x</n:note></D:prop></D:set>";
    const body = `<D:propertyupdate xmlns:D="DAV:">${set}</D:propertyupdate>`;
    await world.must("PROPPATCH", "/a", { body });
    for (const wish of ["", ask("<D:allprop/>")]) {
      const xml = await propfind(world, "/a", wish);
      for (const part of [
        "<D:resourcetype/>",
        "<D:displayname>a</D:displayname>",
        "<D:getcontentlength>4096</D:getcontentlength>",
        "<D:getcontenttype>application/octet-stream</D:getcontenttype>",
        "<D:getlastmodified>Fri, 02 Jan 2026 03:04:05 GMT</D:getlastmodified>",
        "<D:creationdate>2023-11-14T22:13:20Z</D:creationdate>",
        "<D:lockdiscovery/>",
        "<D:supportedlock><D:lockentry><D:lockscope><D:exclusive/></D:lockscope>",
        '<n:note xmlns:n="u">x</n:note>',
      ]) {
        expect(xml).toContain(part);
      }
      expect(xml).not.toContain("quota");
      expect(xml).not.toContain("vid");
      expect(xml.match(/propstat>/g)).toHaveLength(2);
    }
  });

  test("gives with everything what is included by name", async () => {
    const world = new DavWorld({ children: { a: knownVolume() } });
    const wish = "<D:allprop/><D:include><s:copies/><D:displayname/><none/></D:include>";
    const xml = await propfind(world, "/a", ask(wish));
    expect(xml).toContain('<x:copies xmlns:x="urn:sheepfs:file">2</x:copies></D:prop>');
    expect(xml.match(/<D:displayname>/g)).toHaveLength(1);
    expect(xml).toContain("<D:prop><none/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>");
  });

  test("gives the names alone", async () => {
    const world = new DavWorld({ children: { a: knownVolume() } });
    const xml = await propfind(world, "/a", ask("<D:propname/>"));
    expect(xml).toContain("<D:getetag/>");
    expect(xml).toContain('<x:vid xmlns:x="urn:sheepfs:file"/>');
    expect(xml).toContain("<D:quota-used-bytes/>");
    expect(await propfind(world, "/", ask("<D:propname/>"))).not.toContain("getcontentlength");
  });

  test("tells the space of the cluster of directories, when it is asked for", async () => {
    const world = new DavWorld();
    const wish = ask("<D:prop><D:quota-available-bytes/><D:quota-used-bytes/></D:prop>");
    const xml = await propfind(world, "/volume/", wish);
    expect(xml).toContain(`<D:quota-available-bytes>${1 << 29}</D:quota-available-bytes>`);
    expect(xml).toContain(`<D:quota-used-bytes>${1 << 29}</D:quota-used-bytes>`);
    const file = await propfind(world, "/volume/big", wish);
    expect(file).toContain("<D:quota-used-bytes>4096</D:quota-used-bytes>");
    expect(file).toContain("<D:prop><D:quota-available-bytes/></D:prop>");
    world.site.tree.space = () => Promise.reject(new SheepfsError("unavailable", "gone"));
    expect(await propfind(world, "/", wish)).toContain("404 Not Found");
  });

  test("lists a directory with exact addresses, slashes behind directories", async () => {
    const children: Record<string, Node> = {};
    for (const name of ["a b", "50%", "é&<", "web\\x2f1", "x@1"])
      children[name] = new MemoryVolume(1);
    const inside = new MemoryDir({ ...children, dir: new MemoryDir({}) });
    const world = new DavWorld({ basePath: "/b%20x", children: { inside } });
    const xml = await propfind(world, "/b%20x/inside", ask("<D:propname/>"), "1");
    expect(hrefsIn(xml)).toEqual([
      "/b%20x/inside/",
      "/b%20x/inside/a%20b",
      "/b%20x/inside/50%25",
      "/b%20x/inside/%C3%A9%26%3C",
      "/b%20x/inside/web%5Cx2f1",
      "/b%20x/inside/x%401",
      "/b%20x/inside/dir/",
    ]);
  });

  // [S-60]
  test("shows the others when one is in trouble or has just gone", async () => {
    const bad = (code: "corrupt" | "stale"): MemoryVolume =>
      Object.assign(new MemoryVolume(1), {
        attr: () => {
          throw new SheepfsError(code, "no");
        },
      });
    const inside = new MemoryDir({
      bad: bad("corrupt"),
      gone: bad("stale"),
      good: new MemoryVolume(1),
    });
    const world = new DavWorld({ children: { inside } });
    const xml = await propfind(world, "/inside/", "", "1");
    expect(hrefsIn(xml)).toEqual(["/inside/", "/inside/bad", "/inside/good"]);
    expect(xml).toContain("<D:href>/inside/bad</D:href><D:status>HTTP/1.1 503 Service Unavailable");
    expect((await world.ask("PROPFIND", "/inside/gone")).status).toBe(404);
  });

  test("asks a bounded number of nodes at once, of however many", async () => {
    let underWay = 0;
    let most = 0;
    const children: Record<string, Node> = {};
    for (let count = 0; count < limits.volumesAttachedMax; count += 1) {
      const node = new MemoryVolume(1);
      const attr = node.attr();
      children[`volume-${count}`] = Object.assign(node, {
        attr: async () => {
          underWay += 1;
          most = Math.max(most, underWay);
          await Promise.resolve();
          underWay -= 1;
          return attr;
        },
      });
    }
    const world = new DavWorld({ children: { inside: new MemoryDir(children) } });
    const startMs = performance.now();
    const xml = await propfind(world, "/inside/", "", "1");
    console.log(
      `measured: PROPFIND of ${limits.volumesAttachedMax} volumes: ${Math.round(performance.now() - startMs)} ms, ${Math.round(xml.length / 1024)} KiB`,
    );
    expect(hrefsIn(xml)).toHaveLength(limits.volumesAttachedMax + 1);
    expect(most).toBeLessThanOrEqual(limits.davAttrsInflightMax);
    expect(xml.length).toBeLessThan(2 * 1024 * 1024);
    expect(world.site.answers.usedBytes).toBe(0);
  });

  test("holds a bounded memory for all that are not sent yet, and gives it back", async () => {
    const children: Record<string, Node> = {};
    for (let count = 0; count < 300; count += 1) children[`v${count}`] = new MemoryVolume(1);
    const world = new DavWorld({ children: { inside: new MemoryDir(children) } });
    const target = "/inside/";
    const long = `<${"x".repeat(400)}/>`;
    const names = Array.from({ length: limits.davPropertiesAskedMax }, (_, at) =>
      long.replace("x", `x${at}`),
    );
    const wish = ask(`<D:prop>${names.join("")}</D:prop>`);
    const refused = await world.ask("PROPFIND", target, { fields: { depth: "1" }, body: wish });
    expect(refused.status).toBe(503);
    expect(refused.field("retry-after")).not.toBeNull();
    expect(world.site.answers.usedBytes).toBe(0);
    for (let count = 0; count < 30; count += 1) {
      const set = `<D:set><D:prop><a>${"x".repeat(100_000)}</a></D:prop></D:set>`;
      const body = `<D:propertyupdate xmlns:D="DAV:">${set}</D:propertyupdate>`;
      await world.must("PROPPATCH", `/inside/v${count}`, { body });
    }
    const held: HttpResponse[] = [];
    for (;;) {
      const response = await route(
        requestOf("PROPFIND", { depth: "1" }, { target }),
        null,
        world.site,
      );
      if (response.status !== 207) {
        expect(response.status).toBe(503);
        break;
      }
      held.push(response);
      expect(world.site.answers.usedBytes).toBeLessThanOrEqual(limits.davAnswersBytesMax);
    }
    expect(held.length).toBeGreaterThan(10);
    for (const { body } of held) {
      if (body !== null && typeof body === "object" && "release" in body) body.release();
    }
    expect(world.site.answers.usedBytes).toBe(0);
  });

  // [S-62]
  for (const [about, body] of [
    ["an empty wish", ask("")],
    ["two wishes", ask("<D:allprop/><D:propname/>")],
    ["another root", '<D:foo xmlns:D="DAV:"><D:prop/></D:foo>'],
    ["a root without its namespace", "<propfind><prop/></propfind>"],
    ["no XML", "hello"],
    ["XML that does not end", "<D:propfind xmlns:D='DAV:'>"],
    ["an undeclared prefix", "<D:propfind><D:prop/></D:propfind>"],
  ] as const) {
    test(`with ${about} is 400`, async () => {
      const answer = await new DavWorld().ask("PROPFIND", "/", { fields: { depth: "0" }, body });
      expect(answer.status).toBe(400);
    });
  }

  test("passes over what it does not know", async () => {
    const world = new DavWorld();
    const xml = await propfind(
      world,
      "/",
      ask("<D:later/><other/><D:prop><D:displayname/></D:prop>"),
    );
    expect(xml).toContain("<D:displayname>/</D:displayname>");
  });

  for (const depth of ["2", "", "0,1", "infinite", "1, noroot"]) {
    test(`with the depth '${depth}' is 400`, async () => {
      const answer = await new DavWorld().ask("PROPFIND", "/", { fields: { depth } });
      expect(answer.status).toBe(400);
    });
  }

  // [S-62]
  test("for too many properties is 413", async () => {
    for (const [count, status] of [
      [limits.davPropertiesAskedMax, 207],
      [limits.davPropertiesAskedMax + 1, 413],
    ] as const) {
      const names = Array.from({ length: count }, (_, at) => `<p${at}/><p${at}/>`).join("");
      const asking = { fields: { depth: "0" }, body: ask(`<D:prop>${names}</D:prop>`) };
      expect((await new DavWorld().ask("PROPFIND", "/", asking)).status).toBe(status);
    }
  });

  // [S-62]
  test("with too long a body is 413, whether or not that was announced", async () => {
    const body = `<D:propfind xmlns:D="DAV:"><D:prop>${" ".repeat(limits.davXmlBytesMax)}`;
    for (const chunked of [false, true]) {
      const fields = { depth: "0" };
      const answer = await new DavWorld().ask("PROPFIND", "/", { fields, body, chunked });
      expect(answer.status).toBe(413);
    }
  });

  test("may have a body in pieces, or an empty one", async () => {
    const world = new DavWorld();
    const body = ask("<D:prop><D:displayname/></D:prop>");
    const fields = { depth: "0" };
    const answer = await world.must("PROPFIND", "/", { fields, body, chunked: true });
    expect(answer.text).toContain("<D:displayname>/</D:displayname>");
    expect((await world.must("PROPFIND", "/", { fields, chunked: true })).status).toBe(207);
  });
});
