import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { DavWorld } from "./world.ts";

const path = "/volume/big";

const update = (parts: string): string =>
  `<D:propertyupdate xmlns:D="DAV:">${parts}</D:propertyupdate>`;
const set = (props: string): string => `<D:set><D:prop>${props}</D:prop></D:set>`;
const remove = (props: string): string => `<D:remove><D:prop>${props}</D:prop></D:remove>`;

async function noted(world: DavWorld, props: string, at = path): Promise<string> {
  const body = `<D:propfind xmlns:D="DAV:"><D:prop>${props}</D:prop></D:propfind>`;
  const { text } = await world.must("PROPFIND", at, { fields: { depth: "0" }, body });
  return /<D:response><D:href>[^<]*<\/D:href>(.*)<\/D:response>/s.exec(text)?.[1] ?? "";
}

const here = (props: string): string =>
  `<D:propstat><D:prop>${props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>`;
const missing = (props: string): string =>
  `<D:propstat><D:prop>${props}</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>`;

describe("PROPPATCH", () => {
  // [S-61]
  test("notes what it does not know, with names, languages and contents as they were", async () => {
    const world = new DavWorld();
    for (const property of [
      "<a>1</a>",
      '<n:a xmlns:n="u" n:b="1" c="&lt;"><n:d><e/></n:d> &amp; x</n:a>',
      '<Z:Win32LastModifiedTime xmlns:Z="urn:schemas-microsoft-com:">Thu, 01 Jan 1970</Z:Win32LastModifiedTime>',
      '<executable xmlns="http://apache.org/dav/props/">T</executable>',
      '<a xml:lang="de">ü𐌀</a>',
    ]) {
      const answer = await world.must("PROPPATCH", path, { body: update(set(property)) });
      expect(answer.text).toContain("HTTP/1.1 200 OK");
      const name = /^<([^ >]+)((?: xmlns[^ >]*)?)/.exec(property);
      expect(await noted(world, `<${name?.[1]}${name?.[2]}/>`)).toBe(here(property));
    }
  });

  test("keeps the language that was said further out", async () => {
    const world = new DavWorld();
    const body =
      '<D:propertyupdate xmlns:D="DAV:" xml:lang="de"><D:set><D:prop><a>1</a></D:prop></D:set>' +
      '<D:set xml:lang="fr"><D:prop><b>1</b><c xml:lang="en">1</c></D:prop></D:set></D:propertyupdate>';
    await world.must("PROPPATCH", path, { body });
    expect(await noted(world, "<a/><b/><c/>")).toBe(
      here('<a xml:lang="de">1</a><b xml:lang="fr">1</b><c xml:lang="en">1</c>'),
    );
  });

  test("does not keep a long language once for each property that has it from outside", async () => {
    const world = new DavWorld();
    const language = "x".repeat(limits.davXmlLanguageMax + 1);
    const body = update(set("<a/>")).replace(">", ` xml:lang="${language}">`);
    expect((await world.ask("PROPPATCH", path, { body })).status).toBe(413);
    expect([...world.site.properties.of(["volume", "big"])]).toEqual([]);
  });

  test("carries out its parts in their order", async () => {
    const world = new DavWorld();
    await world.must("PROPPATCH", path, { body: update(set("<a>1</a>") + remove("<a/>")) });
    expect(await noted(world, "<a/>")).toBe(missing("<a/>"));
    await world.must("PROPPATCH", path, { body: update(remove("<a/>") + set("<a>2</a>")) });
    expect(await noted(world, "<a/>")).toBe(here("<a>2</a>"));
    // Two parts of the same kind are what has ended the process of another server.
    await world.must("PROPPATCH", path, {
      body: update(set("<a>3</a>") + set("<b>4</b><a>5</a>")),
    });
    expect(await noted(world, "<a/><b/>")).toBe(here("<a>5</a><b>4</b>"));
  });

  // [S-61]
  test("changes nothing when one of its properties is the server's", async () => {
    const world = new DavWorld();
    await world.must("PROPPATCH", path, { body: update(set("<a>1</a>")) });
    for (const own of ["<D:getetag>x</D:getetag>", '<x:vid xmlns:x="urn:sheepfs:file">1</x:vid>']) {
      for (const part of [set(own), remove(own)]) {
        const parts = set("<a>2</a>") + part + remove("<b/>");
        const { text } = await world.must("PROPPATCH", path, { body: update(parts) });
        expect(text).toMatch(
          /<D:prop><(?:D:getetag|x:vid xmlns:x="urn:sheepfs:file")\/><\/D:prop><D:status>HTTP\/1.1 403 Forbidden/,
        );
        expect(text).toContain("<D:error><D:cannot-modify-protected-property/></D:error>");
        expect(text).toContain("<D:prop><a/><b/></D:prop><D:status>HTTP/1.1 424 Failed Dependency");
        expect(await noted(world, "<a/>")).toBe(here("<a>1</a>"));
      }
    }
  });

  // [S-61]
  test("notes no more than there is room for, and then nothing", async () => {
    const world = new DavWorld();
    const long = "x".repeat(limits.davXmlBytesMax - 200);
    let full = "";
    for (let count = 0; full === ""; count += 1) {
      const { text } = await world.must("PROPPATCH", path, {
        body: update(set(`<p${count}>${long}</p${count}>`)),
      });
      if (text.includes("507")) full = text;
      expect(count).toBeLessThan(limits.davPropertiesBytesMax / long.length);
    }
    expect(full).toContain("HTTP/1.1 507 Insufficient Storage");
    await world.must("PROPPATCH", path, { body: update(remove("<p0/>")) });
    const again = await world.must("PROPPATCH", path, { body: update(set(`<q>${long}</q>`)) });
    expect(again.text).toContain("200 OK");
  });

  // [S-62]
  for (const [about, body] of [
    ["no body", ""],
    ["nothing to do", update("")],
    ["an empty part", update("<D:set/>")],
    ["an empty prop", update(set(""))],
    ["parts outside of DAV's namespace", update("<set><D:prop><a/></D:prop></set>")],
    ["another root", "<D:propfind xmlns:D='DAV:'/>"],
    ["no XML", "x"],
  ] as const) {
    test(`with ${about} is 400`, async () => {
      expect((await new DavWorld().ask("PROPPATCH", path, { body })).status).toBe(400);
    });
  }

  test("is refused when a condition does not hold or somebody has locked it", async () => {
    const world = new DavWorld();
    const body = update(set("<a>1</a>"));
    const fields = { "if-match": '"x"' };
    expect((await world.ask("PROPPATCH", path, { body, fields })).status).toBe(412);
    expect(await noted(world, "<a/>")).toBe(missing("<a/>"));
  });
});

test("what is noted goes with what it is about", async () => {
  const world = new DavWorld();
  await world.must("MKCOL", "/scratch/d");
  await world.must("PUT", "/scratch/d/f", { body: "x" });
  for (const at of ["/scratch/d", "/scratch/d/f"]) {
    await world.must("PROPPATCH", at, { body: update(set(`<a>${at}</a>`)) });
  }
  const to = (name: string) => ({ fields: { destination: `/scratch/${name}` } });
  await world.must("COPY", "/scratch/d", to("e"));
  expect(await noted(world, "<a/>", "/scratch/e/f")).toBe(here("<a>/scratch/d/f</a>"));
  await world.must("MOVE", "/scratch/d/", to("g"));
  expect(await noted(world, "<a/>", "/scratch/g/")).toBe(here("<a>/scratch/d</a>"));
  await world.must("MKCOL", "/scratch/d");
  await world.must("PUT", "/scratch/d/f", { body: "x" });
  expect(await noted(world, "<a/>", "/scratch/d/f")).toBe(missing("<a/>"));
  // What is written over has what the copy has.
  await world.must("COPY", "/scratch/d/f", to("g/f"));
  expect(await noted(world, "<a/>", "/scratch/g/f")).toBe(missing("<a/>"));
  await world.must("DELETE", "/scratch/g/");
  await world.must("DELETE", "/scratch/e/");
  expect([...world.site.properties.of(["scratch", "e", "f"])]).toEqual([]);
});
