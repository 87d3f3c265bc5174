import { join } from "node:path";
import { must } from "../support/process.ts";
import type { Load } from "./load.ts";

/** Where the bytes of one VDI are. */
export interface BareTarget {
  readonly host: string;
  readonly port: number;
  readonly vid: number;
  readonly objectBytes: number;
  readonly spanBytes: number;
}

export interface BareRun extends BareTarget {
  readonly direction: "read" | "write";
  readonly random: boolean;
  readonly bytes: number;
  readonly depth: number;
  readonly seconds: number;
  /** Whether it reads and sends as much as it can at once. */
  readonly gathers: boolean;
}

export interface BareResult {
  /** Requests. */
  readonly perSecond: number;
}

const KiB = 1024;

/** Shapes in which large sequential I/O is tried, as nobody says in which it has to be sent. */
const largeShapes = [
  { bytes: 64 * KiB, depth: 32 },
  { bytes: 128 * KiB, depth: 16 },
  { bytes: 256 * KiB, depth: 8 },
  { bytes: 1024 * KiB, depth: 4 },
] as const;

/** What a bare client reaches at this load: the same requests, or the best shape of large ones. */
export async function measureBare(
  target: BareTarget,
  load: Load,
  how: { readonly seconds: number; readonly gathers: boolean },
): Promise<number> {
  const { seconds, gathers } = how;
  if (load.bytes <= 4 * KiB) return await runBare({ ...target, ...load, seconds, gathers });
  let best = 0;
  for (const shape of largeShapes) {
    const run = { ...target, ...load, ...shape, seconds: seconds / 2, gathers };
    const perSecond = await runBare(run);
    best = Math.max(best, (perSecond * shape.bytes) / load.bytes);
  }
  return best;
}

async function runBare(run: BareRun): Promise<number> {
  const program = join(import.meta.dirname, "bare-client-program.ts");
  const said = await must([process.execPath, program, JSON.stringify(run)]);
  const result: BareResult = JSON.parse(said);
  return result.perSecond;
}
