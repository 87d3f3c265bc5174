import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MiB, pattern } from "../mount/bytes.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { startServe, type TestServer } from "../support/serve.ts";
import { Browser } from "./browser.ts";

const artefacts = join(import.meta.dirname, "..", "artefacts");

let cluster: TestCluster;
let server: TestServer;
let browser: Browser;
let vdi: string;

beforeAll(async () => {
  cluster = await startCluster();
  vdi = await cluster.createVdi('disk of <größe> & "more"', { size: "8M" });
  const others = await Promise.all(
    ["database", "web1"].map((label) => cluster.createVdi(label, { size: "20G" })),
  );
  const args = [vdi, ...others].flatMap((name) => ["--attach", name]);
  server = await startServe(cluster, { args });
  browser = await Browser.start();
  mkdirSync(artefacts, { recursive: true });
});

afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** Presses Tab until the link with this text has the focus. */
async function tabTo(text: string): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    await browser.press("Tab");
    if ((await browser.text("document.activeElement.textContent")).trim() === text) return;
  }
  throw new Error(`no Tab leads to '${text}'`);
}

/** Follows the link that has the focus. */
async function enter(): Promise<void> {
  await browser.press("Enter");
  await browser.loaded();
}

test("the root shows the cluster at a glance, on a desk and on a phone", async () => {
  for (const [name, width, height] of [
    ["desktop", 1_280, 900],
    ["phone", 390, 844],
  ] as const) {
    await browser.setSize(width, height, name === "phone");
    await browser.goto(`${server.url}/`);
    const body = await browser.text("document.body.innerText");
    for (const word of ["cluster", "config", "node", "vdi", "volume"]) expect(body).toContain(word);
    expect(body.toLowerCase()).toContain("nodes");
    expect(body.toLowerCase()).toContain("attached");
    const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
    expect(await browser.evaluate(overflow)).toBe(0);
    await browser.screenshot(join(artefacts, `page-root-${name}.png`));
    await browser.goto(`${server.at("volume")}/`);
    expect(await browser.text("document.body.innerText")).toContain(vdi);
    expect(await browser.evaluate(overflow)).toBe(0);
    await browser.screenshot(join(artefacts, `page-volume-${name}.png`));
  }
  expect(browser.complaints).toEqual([]);
});

test("the whole tree can be walked with the keyboard alone", async () => {
  await browser.setSize(1_280, 900, false);
  await browser.goto(`${server.url}/`);
  await tabTo("volume/");
  const outline = "getComputedStyle(document.activeElement).outlineStyle";
  expect(await browser.text(outline)).not.toBe("none");
  await enter();
  expect(await browser.text("location.pathname")).toBe("/volume/");
  await browser.goto(`${server.url}/`);
  await tabTo("cluster/");
  await enter();
  await tabTo("info");
  await enter();
  expect(await browser.text("location.pathname")).toBe("/cluster/info");
  expect(await browser.text("document.body.innerText")).toContain("Cluster status: running");
  expect(browser.complaints).toEqual([]);
});

test("a volume is downloaded by its link, whole", async () => {
  const content = pattern(8 * MiB, 1);
  const body = Uint8Array.from(content);
  const put = await fetch(server.at("volume", vdi), { method: "PUT", body });
  expect(put.status).toBe(204);
  const folder = await browser.takeDownloads();
  await browser.goto(`${server.at("volume")}/`);
  await tabTo(vdi.trim());
  await browser.press("Enter");
  const begun = await browser.event("Browser.downloadWillBegin");
  await browser.event("Browser.downloadProgress", ({ state }) => state === "completed");
  const file = join(folder, String(begun["suggestedFilename"]));
  expect(readFileSync(file).equals(content)).toBe(true);
  expect(browser.complaints).toEqual([]);
});

test("works without JavaScript, without anything from elsewhere, and says how it may be used", async () => {
  await browser.call("Emulation.setScriptExecutionDisabled", { value: true });
  await browser.goto(`${server.url}/`);
  const html = await (await fetch(`${server.url}/`)).text();
  expect(html).not.toMatch(/<script/i);
  expect(html).not.toMatch(/(?:src|href)="?https?:/i);
  expect(html).toMatch(/<html lang="en">/);
  expect(html).toMatch(/<meta name="?viewport/);
  await browser.call("Emulation.setScriptExecutionDisabled", { value: false });
  expect(browser.complaints).toEqual([]);
});
