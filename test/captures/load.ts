import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One half of a recorded exchange. */
export interface Recorded {
  readonly header: Uint8Array<ArrayBuffer>;
  /** Null when none was recorded. */
  readonly data: Uint8Array | null;
}

export interface CaptureStep {
  readonly note: string;
  readonly connection: number;
  readonly request: Recorded;
  readonly response: Recorded;
}

export interface Capture {
  readonly name: string;
  readonly pipelined: boolean;
  readonly steps: readonly CaptureStep[];
}

interface StoredData {
  readonly data_hex?: string;
  readonly data_len?: number;
  readonly data_sha256?: string;
  readonly data_segments?: readonly { hex?: string; zero?: number; fill?: string; len?: number }[];
}

type StoredHalf = StoredData & { readonly header_hex: string };

interface StoredCapture {
  readonly name: string;
  readonly pipelined?: boolean;
  readonly steps: readonly {
    readonly note?: string;
    readonly connection?: number;
    readonly request: StoredHalf;
    readonly response: StoredHalf;
  }[];
}

const folder = join(import.meta.dirname, "data");

export function captureNames(): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return files.map((file) => file.slice(0, -".json".length)).sort();
}

/** The file as it is, for what is not a story of requests. */
export function readCaptureFile(name: string): unknown {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
}

/** Source: data/README.md, Format */
export function loadCapture(name: string): Capture {
  // Our own files, in the form that their README gives.
  const stored = readCaptureFile(name) as StoredCapture;
  const steps = stored.steps.map((step) => ({
    note: step.note ?? "",
    connection: step.connection ?? 0,
    request: half(step.request),
    response: half(step.response),
  }));
  return { name: stored.name, pipelined: stored.pipelined ?? false, steps };
}

function half(stored: StoredHalf): Recorded {
  const header = new Uint8Array(48);
  header.set(Buffer.from(stored.header_hex, "hex"));
  return { header, data: dataOf(stored) };
}

function dataOf(stored: StoredData): Uint8Array | null {
  if (stored.data_hex !== undefined) return new Uint8Array(Buffer.from(stored.data_hex, "hex"));
  const length = stored.data_len;
  if (length === undefined) return null;
  if (stored.data_sha256 !== undefined) return standIn(stored.data_sha256, length);
  const data = new Uint8Array(length);
  let at = 0;
  for (const { hex, zero, fill, len } of stored.data_segments ?? []) {
    const bytes = Buffer.from(hex ?? "", "hex");
    data.set(bytes, at);
    if (fill !== undefined) data.fill(Number.parseInt(fill, 16), at, at + (len ?? 0));
    at += bytes.length + (zero ?? 0) + (fill === undefined ? 0 : (len ?? 0));
  }
  if (at !== length) throw new Error(`segments of ${at} bytes for ${length}`);
  return data;
}

/** Data of which only the hash was kept: the same bytes wherever the hash is the same. */
function standIn(sha256: string, length: number): Uint8Array {
  const seed = Buffer.from(sha256, "hex");
  const data = new Uint8Array(length);
  for (let at = 0; at < length; at += seed.length) data.set(seed.subarray(0, length - at), at);
  return data;
}
