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

type Shape = Pick<Load, "bytes" | "depth">;

/** Shapes in which large sequential I/O is tried, as nobody says in which it has to be sent. */
const largeShapes = [
  { bytes: 64 * KiB, depth: 32 },
  { bytes: 128 * KiB, depth: 16 },
  { bytes: 256 * KiB, depth: 8 },
  { bytes: 1024 * KiB, depth: 4 },
] as const;

/**
 * Measures what a bare client reaches at a load: the same requests, or the shape of large ones that
 * was found to be the best when it was measured first. The best of all shapes each time would be the
 * best of four measurements where others have one.
 */
export function bareMeasure(
  target: BareTarget,
  how: { readonly seconds: (load: Load) => number; readonly gathers: boolean },
): (load: Load) => Promise<number> {
  const { gathers } = how;
  const best = new Map<string, Shape>();
  return async (load) => {
    const seconds = how.seconds(load);
    if (load.bytes <= 4 * KiB) return await runBare({ ...target, ...load, seconds, gathers });
    const run = { ...target, ...load, gathers };
    const shape = best.get(load.name) ?? (await bestShape(run, seconds / 2));
    best.set(load.name, shape);
    const perSecond = await runBare({ ...run, ...shape, seconds });
    return (perSecond * shape.bytes) / load.bytes;
  };
}

async function bestShape(run: Omit<BareRun, "seconds">, seconds: number): Promise<Shape> {
  let best: Shape = largeShapes[0];
  let bestBytes = 0;
  for (const shape of largeShapes) {
    const perSecond = await runBare({ ...run, ...shape, seconds });
    if (perSecond * shape.bytes <= bestBytes) continue;
    best = shape;
    bestBytes = perSecond * shape.bytes;
  }
  return best;
}

async function runBare(run: BareRun): Promise<number> {
  const program = join(import.meta.dirname, "bare-client-program.ts");
  const said = await must([process.execPath, program, JSON.stringify(run)]);
  const result: BareResult = JSON.parse(said);
  return result.perSecond;
}
