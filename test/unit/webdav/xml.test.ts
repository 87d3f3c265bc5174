import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { elementsOf, type XmlElement } from "../../../src/webdav/xml/element.ts";
import { parseXml } from "../../../src/webdav/xml/parse.ts";
import {
  escapeText,
  writeDocument,
  writeElement,
  writeNamed,
} from "../../../src/webdav/xml/write.ts";

function parse(text: string): XmlElement {
  return parseXml(new TextEncoder().encode(text));
}

/** What a reader makes of an element that stands in a document of ours. */
function again(element: XmlElement): XmlElement {
  const [child] = elementsOf(parse(writeDocument("prop", writeElement(element))));
  if (child === undefined) throw new Error("nothing was written");
  return child;
}

/** Names and contents without the prefixes. */
function meaning({ namespace, local, attributes, children }: XmlElement): unknown {
  return {
    name: `{${namespace}}${local}`,
    attributes: attributes.map((one) => `{${one.namespace}}${one.local}=${one.value}`),
    children: children.map((child) => (typeof child === "string" ? child : meaning(child))),
  };
}

describe("XML of a request", () => {
  // [S-62]
  for (const [about, text] of [
    ["nothing", ""],
    ["white space", " \n"],
    ["words", "hello"],
    ["an end that is missing", "<a>"],
    ["a wrong end", "<a></b>"],
    ["two roots", "<a/><b/>"],
    ["a prefix that is not declared", "<D:a/>"],
    ["an attribute with such a prefix", '<a x:b="1"/>'],
    ["a prefix that is taken back", '<a xmlns:x="u"><b xmlns:x=""/></a>'],
    ["the prefix xmlns", '<xmlns:a xmlns:b="u"/>'],
    ["an attribute twice", '<a b="1" b="2"/>'],
    ["an attribute twice under two prefixes", '<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>'],
    ["a document type", "<!DOCTYPE a><a/>"],
    ["an entity of its own", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    ["a document of elsewhere", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'],
    ["an entity that there is not", "<a>&nbsp;</a>"],
    ["a character that cannot be", "<a>&#0;</a>"],
    ["a control character", "<a>\u0001</a>"],
    ["one as XML 1.1 has it", '<?xml version="1.1"?><a>&#1;</a>'],
    ["a bare ampersand", "<a>a & b</a>"],
    ["an encoding that is not taken", '<?xml version="1.0" encoding="ibm037"?><a/>'],
    ["something behind its end", "<a/>x"],
  ] as const) {
    test(`is refused with ${about}`, () => {
      expect(() => parse(text)).toThrow(SheepfsError);
    });
  }

  test("is refused when it is no UTF-8", () => {
    for (const bytes of [[0xff], [0x3c, 0x61, 0xc0, 0xaf, 0x2f, 0x3e], [0xfe, 0xff, 0x00]]) {
      expect(() => parseXml(Uint8Array.from(bytes))).toThrow(SheepfsError);
    }
  });

  // [S-62]
  test("has bounds in depth and number of elements", () => {
    const nested = (depth: number): string => "<a>".repeat(depth) + "</a>".repeat(depth);
    const many = (count: number): string => `<a>${"<b/>".repeat(count - 1)}</a>`;
    parse(nested(limits.davXmlDepthMax));
    expect(() => parse(nested(limits.davXmlDepthMax + 1))).toThrow(/deep/);
    parse(many(limits.davXmlElementsMax));
    expect(() => parse(many(limits.davXmlElementsMax + 1))).toThrow(/elements/);
  });

  test("has a bound in what its names repeat", () => {
    const long = "u".repeat(limits.davXmlNamespaceMax);
    expect(parse(`<a xmlns="${long}" xmlns:x="${long}" x:b=""/>`).namespace).toBe(long);
    for (const text of [`<a xmlns="${long}u"/>`, `<a xmlns:x="${long}u" x:b=""/>`]) {
      expect(() => parse(text)).toThrow("namespace of more than");
    }
  });

  test("is read within a moment, whatever is in it", () => {
    const filled = (start: string, piece: string, end: string): string =>
      start +
      piece.repeat((limits.davXmlBytesMax - start.length - end.length) / piece.length) +
      end;
    let prefixes = "";
    for (let count = 0; prefixes.length < limits.davXmlBytesMax / 2; count += 1) {
      prefixes += ` xmlns:p${count}="u"`;
    }
    const attributes = prefixes.replaceAll("xmlns:", "");
    for (const text of [
      filled("<a>", "<b/>", "</a>"),
      filled("<a>", "x", "</a>"),
      filled("<a>", "&amp;", "</a>"),
      filled("<a>", "<![CDATA[x]]>", "</a>"),
      filled("<a>", "<!---->", "</a>"),
      filled("<a>", "<?p x?>", "</a>"),
      filled("<a>", "<", ""),
      filled("<", "a", ""),
      filled('<a b="', "<", '"/>'),
      `<a${prefixes}/>`,
      `<a${attributes}/>`,
      `<a${prefixes}>${"<p1:b/>".repeat(4000)}</a>`,
    ]) {
      const startMs = performance.now();
      try {
        parse(text);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(SheepfsError);
      }
      expect(performance.now() - startMs).toBeLessThan(1_000);
    }
  });

  test("may be UTF-16, and have a mark", () => {
    const little = Buffer.from('\ufeff<?xml version="1.0" encoding="utf-16"?><é/>', "utf16le");
    expect(parseXml(little).local).toBe("é");
    expect(parseXml(little.swap16()).local).toBe("é");
    expect(parse("\ufeff<é/>").local).toBe("é");
  });

  test("has names in their namespaces", () => {
    const root = parse(
      '<a xmlns="u"><b xmlns=""/><x:c xmlns:x="v" d="1" x:d="2" xml:lang="de"/></a>',
    );
    expect(meaning(root)).toEqual({
      name: "{u}a",
      attributes: [],
      children: [
        { name: "{}b", attributes: [], children: [] },
        {
          name: "{v}c",
          attributes: ["{}d=1", "{v}d=2", "{http://www.w3.org/XML/1998/namespace}lang=de"],
          children: [],
        },
      ],
    });
  });

  test("takes names that mean something to JavaScript for names", () => {
    const root = parse(
      '<__proto__ xmlns:constructor="u" toString="1"><constructor:__proto__/></__proto__>',
    );
    expect(meaning(again(root))).toEqual(meaning(root));
  });
});

describe("XML that is written", () => {
  for (const text of [
    "<a/>",
    '<a xmlns="u"><b xmlns=""><c xmlns="u"/></b></a>',
    '<D:a xmlns:D="not DAV"><D:b xmlns:D="DAV:"/></D:a>',
    '<x:a xmlns:x="u"><x:b xmlns:x="v"><x:c xmlns:x="u"/></x:b></x:a>',
    '<a xmlns:x="u" x:b="1" c="&lt;&quot;&amp;&#9;&#10;&#13;"> &lt;x&gt; &amp; ]]&gt; &#13;\n</a>',
    '<a xml:lang="de" xml:space="preserve">ü €</a>',
    "<a><![CDATA[<b>&amp;</b>]]></a>",
    "<a>\u{10300}</a>",
    '<a xmlns="&lt;&quot;&amp;"/>',
    '<a><x:b xmlns:x="u"/><x:b xmlns:x="v"/></a>',
    '<__proto__:a xmlns:__proto__="u" __proto__:b="c"><__proto__:d/></__proto__:a>',
    '<toString:a xmlns:toString="u" toString:b="c"><toString:d/></toString:a>',
  ]) {
    test(`means the same again: ${text}`, () => {
      const element = parse(text);
      expect(meaning(again(element))).toEqual(meaning(element));
    });
  }

  test("is written within a moment, whatever is in it", () => {
    const names = Array.from({ length: 2_800 }, (_, at) => ` xmlns:a${at}="u" a${at}:x${at}=""`);
    const element = parse(`<r${names.join("")}>${"<b/>".repeat(4_000)}</r>`);
    const began = performance.now();
    writeElement(element);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test("has any name of any namespace", () => {
    for (const name of [
      { namespace: "", local: "a" },
      { namespace: "DAV:", local: "a" },
      { namespace: `u"<&'`, local: "ü" },
      { namespace: "http://www.w3.org/XML/1998/namespace", local: "lang" },
    ]) {
      for (const content of ["", "x"]) {
        const [element] = elementsOf(parse(writeDocument("prop", writeNamed(name, content))));
        expect(element).toMatchObject({ ...name, children: content === "" ? [] : [content] });
      }
    }
  });

  test("has no character that XML cannot have", () => {
    expect(escapeText("a\u0000\u001b\ufffe\ud800b\tc\r")).toBe(
      "a\ufffd\ufffd\ufffd\ufffdb\tc&#13;",
    );
    expect(escapeText("🐑")).toBe("🐑");
  });
});
