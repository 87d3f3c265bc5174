import { describe, expect, test } from "bun:test";
import { logSettings } from "../../../src/cli/log-settings.ts";
import { parseCount, parseGateways, parseOffset, parseSize } from "../../../src/cli/parse.ts";
import { basePath, corsOrigin, listenAddress } from "../../../src/cli/serve-request.ts";
import { UsageError } from "../../../src/cli/usage-error.ts";

const GiB = 1024 ** 3;

describe("sizes", () => {
  const good: readonly (readonly [string, number])[] = [
    ["1", 1],
    ["512", 512],
    ["10G", 10 * GiB],
    ["10g", 10 * GiB],
    ["4KiB", 4096],
    ["4KB", 4096],
    ["4k", 4096],
    ["1.5T", 1.5 * 1024 * GiB],
    ["2P", 2 * 1024 ** 5],
    [" 8M ", 8 * 1024 ** 2],
    ["100B", 100],
  ];
  for (const [text, bytes] of good) {
    test(`${text} is ${bytes} bytes`, () => expect(parseSize(text, "--size")).toBe(bytes));
  }
  for (const bad of [
    "",
    "0",
    "-1",
    "G",
    "10 G",
    "ten",
    "1.5",
    "0x10",
    "1e9",
    "9P9",
    "99999P",
    "1,5G",
  ]) {
    test(`'${bad}' is refused and named`, () => {
      expect(() => parseSize(bad, "--size")).toThrow(UsageError);
      expect(() => parseSize(bad, "--size")).toThrow(`--size: '${bad}'`);
    });
  }
});

test("a count outside its range is refused, with the range", () => {
  const bounds = { min: 1, max: 31 };
  expect(parseCount("1", "--copies", bounds)).toBe(1);
  expect(parseCount("31", "--copies", bounds)).toBe(31);
  for (const bad of ["0", "32", "-1", "", "1.5", "x", "1e1", "99999999999"]) {
    expect(() => parseCount(bad, "--copies", bounds)).toThrow(`--copies: '${bad}' is not a number`);
  }
});

describe("the sheep to talk to", () => {
  test("is the option's, else the environment's, else the one on this machine", () => {
    const a = { host: "a", port: 1 };
    const b = { host: "b", port: 7000 };
    expect(parseGateways(["a:1,b", "b"], "c:3")).toEqual([a, b, b]);
    expect(parseGateways([], "a:1,b")).toEqual([a, b]);
    expect(parseGateways([], "")).toEqual([{ host: "127.0.0.1", port: 7000 }]);
    expect(parseGateways([], undefined)).toEqual([{ host: "127.0.0.1", port: 7000 }]);
  });

  test("may be an IPv6 address", () => {
    expect(parseGateways(["::1,[fe80::1]:7001"], undefined)).toEqual([
      { host: "::1", port: 7000 },
      { host: "fe80::1", port: 7001 },
    ]);
  });

  for (const bad of ["", "a,,b", "a:", "a:0", "a:65536", "a:x", ":7000", "a b:1", "[::1", "a:1:"]) {
    test(`'${bad}' is refused, naming where it came from`, () => {
      expect(() => parseGateways([bad], undefined)).toThrow(/^--sheep: /);
      if (bad !== "") expect(() => parseGateways([], bad)).toThrow(/^SHEEPFS_SHEEP: /);
    });
  }
});

test("a log level that is none is refused, with those there are", () => {
  expect(logSettings("x.log", "debug")).toEqual({ level: "debug", file: `${process.cwd()}/x.log` });
  expect(logSettings(null, undefined)).toEqual({ level: "info", file: null });
  expect(logSettings(null, "")).toEqual({ level: "info", file: null });
  expect(() => logSettings(null, "loud")).toThrow("'loud' is no level; it is one of error, warn");
});

describe("where to serve", () => {
  const rows: readonly (readonly [string, string | null, number])[] = [
    [":8080", null, 8080],
    ["*:8080", null, 8080],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["[::1]:80", "::1", 80],
    ["nas.lan:443", "nas.lan", 443],
  ];
  for (const [text, host, port] of rows) {
    test(text, () => expect(listenAddress(text)).toEqual({ host, port }));
  }
  for (const bad of ["8080", "", ":", ":x", "a:-1", "a:65536", "::1:80", "a b:80", "http://a:80"]) {
    test(`'${bad}' is refused`, () => expect(() => listenAddress(bad)).toThrow(UsageError));
  }

  test("under which path", () => {
    const good = ["/", "/sheep", "/sheep/", "/a b/ü", "/x/y"];
    expect(good.map(basePath)).toEqual(["", "/sheep", "/sheep", "/a%20b/%C3%BC", "/x/y"]);
    for (const bad of ["", "sheep", "/a//b", "/./b", "/a/..", "/a?b", "/a#b", "/a%20b", "/a\nb"]) {
      expect(() => basePath(bad)).toThrow(UsageError);
    }
  });

  test("for whose pages", () => {
    expect(corsOrigin("https://UI.example/")).toBe("https://ui.example");
    expect(corsOrigin("http://ui.example:3000")).toBe("http://ui.example:3000");
    for (const bad of ["*", "null", "ui.example", "https://a/b", "ftp://a", "https://u@a"]) {
      expect(() => corsOrigin(bad)).toThrow(UsageError);
    }
  });
});

test("an offset may be nothing, in any unit", () => {
  const texts = ["0", "00", "0M", "0KiB", "1M"];
  expect(texts.map((text) => parseOffset(text, "--offset"))).toEqual([0, 0, 0, 0, 2 ** 20]);
  expect(() => parseOffset("0X", "--offset")).toThrow("'0X'");
});
