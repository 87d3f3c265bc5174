import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import type { HttpResponse } from "../../../src/http/exchange.ts";
import type { DirNode, Node, Tree } from "../../../src/tree/node.ts";
import { attachment } from "../../../src/webdav/content/disposition.ts";
import { directoryPage } from "../../../src/webdav/page/page.ts";
import { escapeHtml, sizeText } from "../../../src/webdav/page/page-html.ts";
import { pageStyle, pageStyleHash } from "../../../src/webdav/page/page-style.ts";
import {
  MemoryControl,
  MemoryDir,
  MemoryText,
  MemoryTree,
  MemoryVolume,
} from "../fuse/memory-tree.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { fieldOf, textOf } from "./requests.ts";

interface Asked {
  readonly path?: readonly string[];
  readonly slash?: boolean;
  readonly query?: string;
  readonly basePath?: string;
  readonly readOnly?: boolean;
}

async function pageOf(dir: MemoryDir, asked: Asked = {}): Promise<HttpResponse> {
  const clock = new ManualClock();
  const { basePath = "", readOnly = false, path = [], slash = true, query = "" } = asked;
  const tree: Tree = new MemoryTree(dir);
  const site = { tree, clock, log: silentLogger, readOnly, basePath };
  const scope = clock.scope();
  const origin = "http://host:8080";
  return await directoryPage({ path, slash, query, origin, scope }, site, dir as DirNode);
}

/** One that has no bytes, only a size. */
function volumeOf(sizeBytes: number): MemoryVolume {
  const volume = new MemoryVolume(0);
  const attr = { ...volume.attr(), sizeBytes };
  volume.attr = () => attr;
  return volume;
}

const hostile = `<script>alert("1")</script>&'\u202egnp.exe`;

// [S-50]
describe("the page of a directory", () => {
  test("has a link for each entry, encoded, and for the way back", async () => {
    const dir = new MemoryDir({ "a b%?#ü": new MemoryText("x"), sub: new MemoryDir({}) });
    const html = textOf(await pageOf(dir, { path: ["volume", "x y"], basePath: "/dav" }));
    expect(html).toContain('<a href="/dav/volume/x%20y/a%20b%25%3F%23%C3%BC">a b%?#ü</a>');
    expect(html).toContain('<a href="/dav/volume/x%20y/sub/">sub/</a>');
    expect(html).toContain('<a href="/dav/">sheepfs</a>');
    expect(html).toContain('<a href="/dav/volume/">volume</a>');
    expect(html).toContain('aria-current="page">x y</a>');
  });

  test("escapes every name, text and address", async () => {
    const dir = new MemoryDir({ [hostile]: new MemoryText(hostile) });
    const html = textOf(await pageOf(dir, { path: [hostile] }));
    expect(html).not.toContain("<script");
    expect(html).not.toContain("\u202e");
    expect(html).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;[U+202E]");
  });

  test("shows texts, with how a line is written where that can be", async () => {
    const html = textOf(await pageOf(new MemoryDir({ info: new MemoryText("running\n") })));
    expect(html).toMatch(/<pre [^>]*>running\n<\/pre>/);
    expect(html).not.toContain("curl");
    const dir = new MemoryDir({ mount: new MemoryControl(() => {}) });
    const asked = { path: ["vdi"] };
    const how = "echo LINE | curl -T - http://host:8080/vdi/mount";
    expect(textOf(await pageOf(dir, asked))).toContain(how);
    expect(textOf(await pageOf(dir, { ...asked, readOnly: true }))).not.toContain("curl");
  });

  test("offers a volume for download, with its size in words and exactly", async () => {
    const html = textOf(await pageOf(new MemoryDir({ disk: volumeOf(1_610_612_736) })));
    expect(html).toContain('download="disk"');
    expect(html).toContain('<span title="1610612736 bytes">1.5 GiB</span>');
  });

  test("shows the state of everything at the root, and there alone", async () => {
    const dir = new MemoryDir({});
    expect(textOf(await pageOf(dir))).toContain("<dt>Nodes</dt><dd>1</dd>");
    expect(textOf(await pageOf(dir, { path: ["x"] }))).not.toContain("<dt>");
  });

  test("lets nothing be run or loaded", async () => {
    const answer = await pageOf(new MemoryDir({}));
    const policy = fieldOf(answer, "Content-Security-Policy") ?? "";
    expect(policy).toStartWith("default-src 'none'; style-src 'sha256-");
    expect(policy).not.toContain("script");
    expect(fieldOf(answer, "X-Content-Type-Options")).toBe("nosniff");
    const html = textOf(answer);
    expect(html).not.toMatch(/<script|<img|https?:|\s(?:style|on[a-z]+)=/);
    const digest = createHash("sha256").update(pageStyle).digest("base64");
    expect(pageStyleHash).toBe(`sha256-${digest}`);
    expect(html).toContain(`<style>${pageStyle}</style>`);
  });

  test("asked for without its slash is answered with where it is", async () => {
    const asked = { path: ["a b"], slash: false, basePath: "/dav" };
    const answer = await pageOf(new MemoryDir({}), { ...asked, query: "page=2" });
    expect(answer.status).toBe(301);
    expect(fieldOf(answer, "Location")).toBe("/dav/a%20b/?page=2");
  });

  test("of 10,000 entries is one of many pages, in order", async () => {
    const children: Record<string, Node> = {};
    for (let at = 10_000; at > 0; at -= 1) children[`disk${at}`] = volumeOf(at);
    const dir = new MemoryDir(children);
    const first = textOf(await pageOf(dir));
    expect(first.match(/<tr><td>/g)?.length).toBe(limits.pageEntriesMax);
    expect(first).toContain(">disk1<");
    expect(first).toContain(">disk500<");
    expect(first).toContain('<a href="/?page=2" rel="next">');
    expect(first).toContain("page 1 of 20, 10000 entries");
    expect(first.length).toBeLessThan(500_000);
    const last = textOf(await pageOf(dir, { query: "page=99" }));
    expect(last).toContain(">disk10000<");
    expect(last).toContain('<a href="/?page=19" rel="prev">');
    for (const query of ["page=0", "page=-1", "page=x", "page=1.5", "page=%00"]) {
      expect(textOf(await pageOf(dir, { query }))).toContain(">disk1<");
    }
  });

  test("of a cluster in trouble is still a page", async () => {
    const broken = new MemoryText("x");
    broken.attr = () => {
      throw new Error("no answer");
    };
    broken.open = () => {
      throw new Error("no answer");
    };
    const html = textOf(await pageOf(new MemoryDir({ info: broken })));
    expect(html).toContain(">info</a>");
    expect(html).toContain("no answer");
  });
});

test("sizes are in the largest unit that leaves them above one", () => {
  const rows = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [10_188, "9.9 KiB"],
    [10_200, "10 KiB"],
    [1_048_575, "1.0 MiB"],
    [2 ** 40, "1.0 TiB"],
    [2 ** 52, "4.0 PiB"],
  ] as const;
  expect(rows.map(([bytes]) => sizeText(bytes))).toEqual(rows.map(([, text]) => text));
});

test("what no document may have is shown as something", () => {
  expect(escapeHtml("a\u0000b\u001b\ud800c\td")).toBe("a\ufffdb\ufffd\ufffdc\td");
});

test("a file is saved under its name, whatever it is", () => {
  const rows = [
    ["disk.img", 'attachment; filename="disk.img"'],
    ['a"b\\c', "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"],
    ["ü'(x)*", "attachment; filename=\"_'(x)*\"; filename*=UTF-8''%C3%BC%27%28x%29%2A"],
    ["a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"],
  ] as const;
  expect(rows.map(([name]) => attachment(name))).toEqual(rows.map(([, field]) => field));
});
