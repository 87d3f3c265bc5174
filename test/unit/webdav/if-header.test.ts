import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { parseIf, tokensIn } from "../../../src/webdav/conditions/if-header.ts";

/** As short as it can be written: resource, then conditions, `!` for Not. */
function shown(field: string): string[] {
  return parseIf(field).map(({ resource, conditions }) => {
    const words = conditions.map(({ not, what, text }) => `${not ? "!" : ""}${what} ${text}`);
    return `${resource ?? "-"}: ${words.join(", ")}`;
  });
}

describe("an If header field", () => {
  for (const [field, expected] of [
    ["(<urn:a>)", ["-: token urn:a"]],
    [" ( <urn:a> ) ", ["-: token urn:a"]],
    ["(<urn:a>)(<urn:b>)", ["-: token urn:a", "-: token urn:b"]],
    ['(["1"])', ['-: etag "1"']],
    ['([W/"1"] Not <urn:a>)', ['-: etag W/"1", !token urn:a']],
    ['(Not ["1"])', ['-: !etag "1"']],
    ["(not<urn:a>)", ["-: !token urn:a"]],
    ["(NOT <urn:a>)", ["-: !token urn:a"]],
    ["(<urn:a> <urn:b>)", ["-: token urn:a, token urn:b"]],
    ["</a> (<urn:a>)", ["/a: token urn:a"]],
    ["<http://h/a> (<urn:a>) (<urn:b>)", ["http://h/a: token urn:a", "http://h/a: token urn:b"]],
    ["</a>(<urn:a>)</b>(Not <DAV:no-lock>)", ["/a: token urn:a", "/b: !token DAV:no-lock"]],
    ['([""])', ['-: etag ""']],
  ] as const) {
    test(`'${field}' is understood`, () => {
      expect(shown(field)).toEqual([...expected]);
    });
  }

  for (const field of [
    "",
    "()",
    "(",
    ")",
    "(<urn:a>",
    "<urn:a>)",
    "<urn:a>",
    "(<urn:a>))",
    "((<urn:a>))",
    "(Not)",
    "(Not Not <urn:a>)",
    "(<urn:a> Not)",
    "(urn:a)",
    "(<>)",
    "(<urn:a b>)",
    "([1])",
    '(["1)',
    '(["1"]',
    "</a>",
    "</a> </b> (<urn:a>)",
    "(<urn:a>) </a> (<urn:b>)",
    "</a> (<urn:a>) </b>",
    "Not (<urn:a>)",
    "(<urn:a>), (<urn:b>)",
    "(<urn:a>)x",
    "\n(<urn:a>)",
  ]) {
    test(`${JSON.stringify(field)} is refused`, () => {
      expect(() => parseIf(field)).toThrow(SheepfsError);
    });
  }

  test("has a bound", () => {
    const list = (count: number): string => `(${"<urn:a>".repeat(count)})`;
    expect(parseIf(list(limits.davConditionsMax))).toHaveLength(1);
    expect(() => parseIf(list(limits.davConditionsMax + 1))).toThrow(SheepfsError);
  });

  test("shows every token that it names", () => {
    const lists = parseIf('</a> (<urn:a> ["1"]) (Not <urn:b>)');
    expect([...tokensIn(lists)]).toEqual(["urn:a", "urn:b"]);
  });
});
