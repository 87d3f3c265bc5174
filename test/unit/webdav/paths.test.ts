import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { hrefOf, parseReference, parseTarget } from "../../../src/webdav/paths.ts";

describe("the target of a request", () => {
  for (const [target, path, slash, query] of [
    ["/", [], true, ""],
    ["/a", ["a"], false, ""],
    ["/a/b/", ["a", "b"], true, ""],
    ["//a///b", ["a", "b"], false, ""],
    ["/a%20b", ["a b"], false, ""],
    ["/%C3%A9", ["é"], false, ""],
    ["/%e2%82%ac%F0%9F%90%91", ["€🐑"], false, ""],
    ["/a%2525", ["a%25"], false, ""],
    ["/web%5Cx2f1", ["web\\x2f1"], false, ""],
    ["/a?b=/c/../d", ["a"], false, "b=/c/../d"],
    ["/a+b", ["a+b"], false, ""],
    ["/...", ["..."], false, ""],
    ["http://host:80/a/", ["a"], true, ""],
    ["HTTPS://host", [], true, ""],
    ["http://host?q", [], true, "q"],
  ] as const) {
    test(`'${target}' is understood`, () => {
      expect(parseTarget(target, "")).toEqual({ path: [...path], slash, query });
    });
  }

  // [S-56]
  for (const target of [
    "",
    "a",
    "*",
    "ftp://host/a",
    "/.",
    "/..",
    "/a/../b",
    "/a/%2e%2E/b",
    "/%2e",
    "/a%2fb",
    "/a%2Fb",
    "/a%00",
    "/a%0a",
    "/%7f",
    "/%c2%85",
    "/%",
    "/%4",
    "/%zz",
    "/%c0%af",
    "/%ed%a0%80",
    "/%ff",
    "/%f5%80%80%80",
    "/a#b",
    "/a b",
    "/é",
    "/a\nb",
    "/a\u0000b",
  ]) {
    test(`${JSON.stringify(target)} is refused`, () => {
      expect(() => parseTarget(target, "")).toThrow(SheepfsError);
    });
  }

  test("lies below the base path or is not here", () => {
    expect(parseTarget("/x%20y/z/a", "/x%20y/z")?.path).toEqual(["a"]);
    expect(parseTarget("/x y/z".replace(" ", "%20"), "/x%20y/z")?.path).toEqual([]);
    expect(parseTarget("/%78/a", "/x")?.path).toEqual(["a"]);
    expect(parseTarget("/xy/a", "/x")).toBeNull();
    expect(parseTarget("/", "/x")).toBeNull();
    expect(() => parseTarget("/x/../y", "/x")).toThrow(SheepfsError);
  });

  test("is what its href is", () => {
    const names = ["a b", "é", "%2f", "#?&<>\"'", "\\x2f", "a@b", "🐑", "~+;=,"];
    const href = hrefOf("/base", names, "dir");
    expect(href).toMatch(/^[\x21-\x7e]+\/$/);
    expect(parseTarget(href, "/base")).toEqual({ path: names, slash: true, query: "" });
    expect(hrefOf("", [], "dir")).toBe("/");
    expect(hrefOf("/base", ["a"], "file")).toBe("/base/a");
  });
});

describe("a URL in a header field", () => {
  const at = (url: string, origin = "http://host:8080", basePath = ""): string =>
    parseReference(url, { origin }, { basePath }).at;

  for (const [url, origin, expected] of [
    ["http://host:8080/a", undefined, "here"],
    ["HTTP://HOST:8080/a", undefined, "here"],
    ["/a", undefined, "here"],
    // A proxy in front of us speaks TLS.
    ["https://host:8080/a", undefined, "here"],
    ["https://host/a", "http://host", "here"],
    ["http://host:80/a", "http://host", "here"],
    ["http://host/a", "http://host:80", "here"],
    ["https://host:443/a", "https://host", "here"],
    ["http://host/a", undefined, "elsewhere"],
    ["http://host:8081/a", undefined, "elsewhere"],
    ["http://host:80/a", "https://host", "here"],
    ["http://user@host:8080/a", undefined, "elsewhere"],
    ["http://[::1]:8080/a", "http://[::1]:8080", "here"],
    ["ftp://host:8080/a", undefined, "elsewhere"],
  ] as const) {
    test(`${url} at ${origin ?? "http://host:8080"} is ${expected}`, () => {
      expect(at(url, origin)).toBe(expected);
    });
  }

  test("may lie outside of the tree", () => {
    expect(at("http://host:8080/other", undefined, "/x")).toBe("outside");
    expect(at("/x/a", undefined, "/x")).toBe("here");
  });

  for (const url of [
    "",
    "a",
    "../a",
    "http://host:8080/a/../b",
    "http://host:8080/%00",
    "//host/%",
  ]) {
    test(`${JSON.stringify(url)} is refused`, () => {
      expect(() => at(url)).toThrow(SheepfsError);
    });
  }
});
