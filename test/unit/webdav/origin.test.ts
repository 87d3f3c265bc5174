import { describe, expect, test } from "bun:test";
import {
  corsHeaders,
  type OriginRules,
  preflight,
  strangerRefusal,
} from "../../../src/webdav/door/origin.ts";
import { fieldOf, requestOf } from "./requests.ts";

const names = new Set(["localhost", "127.0.0.1", "::1", "nas.lan"]);
const loopback: OriginRules = { hosts: { names, addresses: false }, cors: ["https://ui.example"] };
const everywhere: OriginRules = { hosts: { names, addresses: true }, cors: [] };
const withLogin: OriginRules = { hosts: null, cors: [] };

function statusOf(
  rules: OriginRules,
  method: string,
  fields: Readonly<Record<string, string>>,
  secure = false,
): number {
  return strangerRefusal(requestOf(method, fields, { secure }), rules)?.status ?? 200;
}

describe("a host name that is not ours is not answered where nobody logs in", () => {
  const rows: readonly (readonly [string, OriginRules, number])[] = [
    ["localhost:8080", loopback, 200],
    ["LOCALHOST", loopback, 200],
    ["localhost.:80", loopback, 200],
    ["127.0.0.1:8080", loopback, 200],
    ["[::1]:8080", loopback, 200],
    ["nas.lan", loopback, 200],
    ["rebound.example:8080", loopback, 421],
    ["localhost.rebound.example", loopback, 421],
    ["192.0.2.1:8080", loopback, 421],
    ["", loopback, 421],
    ["a b", loopback, 421],
    ["localhost:80@rebound.example", loopback, 421],
    ["192.0.2.1:8080", everywhere, 200],
    ["[2001:db8::1]", everywhere, 200],
    ["rebound.example", everywhere, 421],
    ["127.0.0.1.rebound.example", everywhere, 421],
    ["rebound.example", withLogin, 200],
  ];
  for (const [host, rules, status] of rows) {
    test(`${host || "(empty)"}: ${status}`, () => {
      expect(statusOf(rules, "GET", { host })).toBe(status);
    });
  }

  test("a program that names no host is answered", () => {
    expect(statusOf(loopback, "GET", {})).toBe(200);
  });
});

describe("a page of another site changes nothing", () => {
  const host = "localhost:8080";
  const rows: readonly (readonly [string, string, Readonly<Record<string, string>>, number])[] = [
    ["a program", "PUT", {}, 200],
    ["our own page", "PUT", { origin: "http://localhost:8080" }, 200],
    ["our own page behind a proxy with TLS", "PUT", { origin: "https://localhost:8080" }, 200],
    ["another site", "PUT", { origin: "https://evil.example" }, 403],
    ["another port", "PUT", { origin: "http://localhost:3000" }, 403],
    ["a page without an origin", "PUT", { origin: "null" }, 403],
    ["a form", "POST", { origin: "https://evil.example" }, 403],
    ["a listing", "PROPFIND", { origin: "https://evil.example" }, 403],
    ["a link", "GET", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }, 200],
    ["an old browser's form", "PUT", { "sec-fetch-site": "cross-site" }, 403],
    ["a sibling", "DELETE", { "sec-fetch-site": "same-site" }, 403],
    ["the address bar", "DELETE", { "sec-fetch-site": "none" }, 200],
    ["ourselves", "DELETE", { "sec-fetch-site": "same-origin" }, 200],
    ["one that --cors names", "PUT", { origin: "https://ui.example" }, 200],
    ["one that looks like it", "PUT", { origin: "https://ui.example.evil.example" }, 403],
  ];
  for (const [who, method, fields, status] of rows) {
    test(`${who}: ${method} ${status}`, () => {
      expect(statusOf(loopback, method, { host, ...fields })).toBe(status);
    });
  }

  test("over TLS a page of plain http is another site", () => {
    const fields = { host, origin: `http://${host}` };
    expect(statusOf(withLogin, "PUT", fields, true)).toBe(403);
    expect(statusOf(withLogin, "PUT", { host, origin: `https://${host}` }, true)).toBe(200);
  });
});

describe("--cors", () => {
  const asked = { "access-control-request-method": "PUT", origin: "https://ui.example" };

  test("answers the browser's question before a login", () => {
    const fields = { ...asked, "access-control-request-headers": "content-range, authorization" };
    const request = requestOf("OPTIONS", fields);
    const answer = preflight(request, loopback);
    expect(answer?.status).toBe(204);
    expect(fieldOf(answer, "Access-Control-Allow-Methods")).toContain("PUT");
    expect(fieldOf(answer, "Access-Control-Allow-Headers")).toBe("content-range, authorization");
  });

  test("does not answer it for another origin, or a plain OPTIONS", () => {
    const other = requestOf("OPTIONS", { ...asked, origin: "https://evil.example" });
    expect(preflight(other, loopback)).toBeNull();
    expect(preflight(requestOf("OPTIONS", { origin: "https://ui.example" }), loopback)).toBeNull();
  });

  test("lets exactly that origin read, with the fields it needs", () => {
    const headers = corsHeaders(requestOf("GET", { origin: "https://ui.example" }), loopback);
    const answer = { status: 200, headers, body: null };
    expect(fieldOf(answer, "Access-Control-Allow-Origin")).toBe("https://ui.example");
    expect(fieldOf(answer, "Access-Control-Expose-Headers")).toContain("Content-Range");
    expect(fieldOf(answer, "Vary")).toBe("Origin");
    const other = corsHeaders(requestOf("GET", { origin: "https://evil.example" }), loopback);
    expect(other).toEqual([["Vary", "Origin"]]);
    expect(corsHeaders(requestOf("GET", { origin: "https://x" }), withLogin)).toEqual([]);
  });
});
