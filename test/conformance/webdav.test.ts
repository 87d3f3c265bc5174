import { expect, test } from "bun:test";
import { startCluster } from "../support/cluster.ts";
import { RawConnection, requestHead } from "../support/raw-http.ts";
import { startServe } from "../support/serve.ts";
import { conformanceSuite } from "./suite.ts";
import { webdavKind } from "./webdav-subject.ts";

conformanceSuite(webdavKind);

// What the suite cannot express over HTTP, said as HTTP has it.

test("webdav: a volume is not detached while a request on it is under way", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("busy", { size: "8M" });
  await using server = await startServe(cluster, { args: ["--attach", vdi] });
  const unmount = { method: "PUT", body: `${vdi}\n` };
  {
    using upload = await RawConnection.open(server.port);
    const head = requestHead(`PUT /volume/${vdi}`, { "Content-Length": 10_000 });
    await upload.deliver(`${head}${"x".repeat(5_000)}`);
    // Once its beginning can be read the request is under way.
    for (let found = ""; found !== "x"; ) {
      const range = { headers: { Range: "bytes=0-0" } };
      found = await (await fetch(server.at("volume", vdi), range)).text();
    }
    const refused = await fetch(server.at("vdi", "unmount"), unmount);
    expect(await refused.text()).toContain(vdi);
    expect(refused.status).toBe(409);
    upload.send("x".repeat(5_000));
    expect((await upload.answer())?.status).toBe(204);
  }
  expect((await fetch(server.at("vdi", "unmount"), unmount)).status).toBe(204);
});

test("webdav: a text is served in ranges, each of what it is then", async () => {
  await using cluster = await startCluster();
  await using server = await startServe(cluster);
  const url = server.at("node", "list");
  const whole = await (await fetch(url)).text();
  const part = await fetch(url, { headers: { Range: "bytes=7-26" } });
  expect(part.status).toBe(206);
  expect(part.headers.get("content-range")).toBe(`bytes 7-26/${whole.length}`);
  expect(await part.text()).toBe(whole.slice(7, 27));
  const suffix = await fetch(url, { headers: { Range: "bytes=-5" } });
  expect(await suffix.text()).toBe(whole.slice(-5));
});
