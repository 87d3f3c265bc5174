import { join } from "node:path";
import { must, start } from "../../support/process.ts";
import type { Load } from "../load.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes of the file that is read; as many are never sent at once but to whoever asks for all. */
export const fileBytes = 1024 * MiB;
/** Bytes of a body that becomes a whole file. */
const uploadBytes = 256 * MiB;

const ranged = { direction: "read", random: true } as const;
const small = { ...ranged, bytes: 4 * KiB } as const;
const large = { ...ranged, bytes: 64 * KiB } as const;

export const wholeGet: Load = {
  ...{ name: "GET of 1 GiB", direction: "read", random: false, bytes: fileBytes, depth: 1 },
};
export const smallGets: Load = { name: "GET of 4 KiB ranges, 16 connections", ...small, depth: 16 };
export const rangePut: Load = {
  ...{ name: "PUT of 1 MiB ranges", direction: "write", random: true, bytes: MiB, depth: 1 },
};

export const loads: readonly Load[] = [
  wholeGet,
  { name: "GET of 4 KiB ranges, 1 connection", ...small, depth: 1 },
  smallGets,
  { name: "GET of 64 KiB ranges, 1 connection", ...large, depth: 1 },
  { name: "GET of 64 KiB ranges, 16 connections", ...large, depth: 16 },
  rangePut,
  { name: "PUT of 256 MiB", direction: "write", random: false, bytes: uploadBytes, depth: 1 },
];

/** A file that somebody serves. */
export interface ServedFile {
  readonly port: number;
  /** Of the file that is read and written in part, e.g. `/volume/a`. */
  readonly path: string;
  /** Of what is written as a whole. */
  readonly uploadPath: string;
}

/** Operations per second of a load. @throws Error when an answer is not what it has to be */
export async function measureHttp(file: ServedFile, load: Load, seconds: number): Promise<number> {
  return load.random && load.direction === "read"
    ? await measureRanges(file, load, seconds)
    : await measureStream(file, load, seconds);
}

interface Counted {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly failed: number;
}

async function measureRanges(
  { port, path }: ServedFile,
  load: Load,
  seconds: number,
): Promise<number> {
  const host = `127.0.0.1:${port}`;
  const script = join(import.meta.dirname, "range-reads.lua");
  const options = ["-t1", `-c${load.depth}`, "-d30s", "-s", script, `http://${host}${path}`];
  await using wrk = start(["wrk", ...options, "--", String(load.bytes), String(fileBytes), host]);
  // It knows whole seconds only, and ends at once when it is asked to.
  await Bun.sleep(seconds * 1000);
  wrk.kill("SIGINT");
  await wrk.exit();
  const line = /^\{.*\}$/m.exec(wrk.stdout)?.[0];
  if (line === undefined) throw new Error(`wrk: ${wrk.stdout}${wrk.stderr}`);
  const counted: Counted = JSON.parse(line);
  const perAnswer = counted.bytes / counted.requests;
  // The head is some hundred bytes; what was not sent as asked for is shorter or a whole file.
  if (counted.failed > 0 || perAnswer < load.bytes || perAnswer > load.bytes + 2 * KiB) {
    throw new Error(`${load.name} at ${host}: ${line}`);
  }
  return counted.requests / counted.seconds;
}

async function measureStream(file: ServedFile, load: Load, seconds: number): Promise<number> {
  const program = join(import.meta.dirname, "stream-program.ts");
  const path = load.direction === "write" && !load.random ? file.uploadPath : file.path;
  const kind = load.direction === "read" ? "get" : load.random ? "put-ranges" : "put";
  const what = [String(load.bytes), String(fileBytes), String(seconds)];
  const said = await must([process.execPath, program, kind, String(file.port), path, ...what]);
  const perSecond = Number(said);
  if (!(perSecond > 0)) throw new Error(`${load.name}: ${said}`);
  return perSecond;
}
