// The WebDAV part: how near the server comes to a server of plain files, and to its peers.
import { installPackages, needs } from "../../../tools/packages.ts";
import { startSheepProcess, type TestCluster } from "../../support/cluster.ts";
import { startServe } from "../../support/serve.ts";
import { memoryFolder } from "../machine.ts";
import { startNullSheep } from "../null-sheep.ts";
import { measureAll, type Subject } from "../rounds.ts";
import type { Figures } from "../table.ts";
import { fileBytes, loads, measureHttp, rangePut, type ServedFile } from "./load.ts";
import { startWebPeers } from "./peers.ts";
import { treePeakMiB } from "./resident.ts";
import { readSlowly } from "./slow-readers.ts";
import { figuresTable, type Judged, ratioTable } from "./table.ts";

const seconds = 0.6;
const rounds = 3;
const objectBytes = 4 << 20;

/** A server with what is known of it. */
interface Server extends Subject {
  readonly file: ServedFile;
  readonly pid: number;
}

/** Prints the tables. Peers that are not installed are left out, and said to be. */
export async function measureWebdav(): Promise<void> {
  await installPackages(needs.benchWebdav);
  await using stack = new AsyncDisposableStack();
  const sheep = stack.use(await startSheepProcess({ parent: memoryFolder }));
  const nulls = await ours(stack, "sheepfs, null sheep", sheep, await startNullSheep(stack, sheep));
  const embedded = await ours(stack, "sheepfs, embedded sheep", sheep, sheep);
  const peers = (await startWebPeers(stack)).map((peer) =>
    server(peer.title, peer, peer.pid, peer.writesRanges),
  );
  const servers = [nulls, embedded, ...peers];
  const figures = await measureAll(servers, { loads, rounds: () => rounds });
  const loaded = await residents(servers);
  for (const { file } of servers) await readSlowly(file);
  const slow = await residents(servers);
  const of = (subject: Subject): Figures => figures.get(subject) ?? new Map();
  const columns = servers.map((one) => ({ title: one.title, figures: of(one) }));
  const memory = [
    { name: "resident memory at most", values: loaded },
    { name: "the same after 200 slow readers", values: slow },
  ];
  console.log(`${figuresTable(columns, { loads, memory })}\n`);
  const judged = peers.map((peer): Judged => ({ title: peer.title, figures: of(peer) }));
  console.log(`${ratioTable({ title: nulls.title, figures: of(nulls) }, judged, loads)}\n`);
}

async function residents(servers: readonly Server[]): Promise<readonly number[]> {
  return servers.map(({ pid }) => treePeakMiB(pid));
}

function server(title: string, file: ServedFile, pid: number, writesRanges: boolean): Server {
  return {
    ...{ title, file, pid },
    measure: async (load) =>
      load === rangePut && !writesRanges ? null : await measureHttp(file, load, seconds),
  };
}

/** Ours, serving a volume of which every object is there. */
async function ours(
  stack: AsyncDisposableStack,
  title: string,
  sheep: TestCluster,
  gateway: TestCluster,
): Promise<Server> {
  const vdi = await sheep.createVdi("web", { size: String(fileBytes), objectSize: "4M" });
  const path = `/volume/${vdi}`;
  // Through the real sheep first: what the null sheep swallows is never there.
  await using first = await startServe(sheep, { args: ["--attach", vdi] });
  if (gateway === sheep) {
    const body = new Uint8Array(fileBytes);
    await put(`${first.url}${path}`, { body });
  } else {
    for (let at = 0; at < fileBytes; at += objectBytes) {
      const range = `bytes ${at}-${at + 4095}/${fileBytes}`;
      await put(`${first.url}${path}`, {
        headers: { "Content-Range": range },
        body: new Uint8Array(4096),
      });
    }
  }
  await first.stop();
  const { port, child } = stack.use(await startServe(gateway, { args: ["--attach", vdi] }));
  return server(title, { port, path, uploadPath: path }, child.pid, true);
}

async function put(url: string, init: RequestInit): Promise<void> {
  const answer = await fetch(url, { ...init, method: "PUT" });
  if (!answer.ok) throw new Error(`PUT ${url}: ${answer.status} ${await answer.text()}`);
}
