import { describe, expect, test } from "bun:test";
import { silentLogger } from "../../../src/base/log.ts";
import type { HttpHandler, HttpResponse } from "../../../src/http/exchange.ts";
import { AccessLog } from "../../../src/webdav/door/access-log.ts";
import { Authenticator } from "../../../src/webdav/door/auth.ts";
import { behindDoor, type DoorOptions } from "../../../src/webdav/door/door.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { fieldOf, requestOf } from "./requests.ts";

const inside: HttpResponse = { status: 207, headers: [["DAV", "1"]], body: "inside\n" };
const handler: HttpHandler = () => inside;
const rules = {
  hosts: { names: new Set(["localhost"]), addresses: false },
  cors: ["https://ui.example"],
};

function doorOf(rest: Partial<DoorOptions> = {}) {
  const lines: string[] = [];
  const clock = new ManualClock();
  const log = new AccessLog(clock, (line) => lines.push(line.trimEnd()));
  const passwords = {
    digest: (text: string) => text,
    matches: async (password: string, hash: string) => password === hash,
  };
  const users = new Map([["anna", "secret"]]);
  const auth = new Authenticator({ passwords, users, clock, log: silentLogger });
  return { lines, enter: behindDoor(handler, { rules, auth, log, ...rest }) };
}

const anna = { authorization: `Basic ${btoa("anna:secret")}` };

describe("a request", () => {
  test("without a login gets no further, and is in the book", async () => {
    const { lines, enter } = doorOf();
    expect((await enter(requestOf("PROPFIND"))).status).toBe(401);
    expect(lines[0]).toMatch(/^192\.0\.2\.7 - - .* "PROPFIND \/ HTTP\/1\.1" 401 \d+$/);
  });

  test("with one is answered from inside, under its user's name", async () => {
    const { lines, enter } = doorOf({ rules: { ...rules, cors: [] } });
    expect(await enter(requestOf("PROPFIND", anna))).toBe(inside);
    expect(lines[0]).toContain(" - anna [");
    // From then on without a wait.
    expect(enter(requestOf("PROPFIND", anna))).toBe(inside);
  });

  test("is answered as it is where nobody is asked and no book is kept", () => {
    const { enter } = doorOf({ auth: null, log: null, rules: { hosts: null, cors: [] } });
    expect(enter(requestOf("PROPFIND"))).toBe(inside);
  });

  test("of a stranger's page is refused before its login is looked at", async () => {
    const { enter } = doorOf();
    const origin = { ...anna, origin: "https://evil.example" };
    expect((await enter(requestOf("PUT", origin))).status).toBe(403);
    expect((await enter(requestOf("GET", { ...anna, host: "evil.example" }))).status).toBe(421);
  });

  test("of a page that may is answered so that the page can read it, a refusal too", async () => {
    const { enter } = doorOf();
    const origin = { origin: "https://ui.example" };
    for (const fields of [origin, { ...origin, ...anna }]) {
      const answer = await enter(requestOf("GET", fields));
      expect(fieldOf(answer, "Access-Control-Allow-Origin")).toBe("https://ui.example");
    }
    const asked = { ...origin, "access-control-request-method": "PUT" };
    const answer = await enter(requestOf("OPTIONS", asked));
    expect(answer.status).toBe(204);
    expect(fieldOf(answer, "Access-Control-Allow-Origin")).toBe("https://ui.example");
  });

  test("for the icon of every page is answered with none", async () => {
    const { enter } = doorOf();
    const answer = await enter(requestOf("GET", {}, { target: "/favicon.ico" }));
    expect([answer.status, answer.body]).toEqual([204, null]);
  });
});
