import { must } from "../support/process.ts";

/** One row of the table: what is asked of every subject. */
export interface Load {
  readonly name: string;
  readonly direction: "read" | "write";
  readonly random: boolean;
  readonly bytes: number;
  readonly depth: number;
}

const small = { random: true, bytes: 4096 } as const;
const large = { random: false, bytes: 1 << 20, depth: 4 } as const;

export const loads: readonly Load[] = [
  { name: "4 KiB random read, depth 1", direction: "read", ...small, depth: 1 },
  { name: "4 KiB random read, depth 16", direction: "read", ...small, depth: 16 },
  { name: "4 KiB random write, depth 1", direction: "write", ...small, depth: 1 },
  { name: "4 KiB random write, depth 16", direction: "write", ...small, depth: 16 },
  { name: "1 MiB sequential read, depth 4", direction: "read", ...large },
  { name: "1 MiB sequential write, depth 4", direction: "write", ...large },
];

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly iops: number };
    readonly write: { readonly iops: number };
  }[];
}

const rampSeconds = 0.3;

/** As fio takes it: of a number of seconds it drops what is behind the point. */
function milliseconds(seconds: number): string {
  return `${Math.round(seconds * 1000)}ms`;
}

/** Operations per second of a load on a file, by fio. */
export async function measureFile(
  path: string,
  load: Load,
  options: { readonly spanBytes: number; readonly seconds: number },
): Promise<number> {
  const said = await must(
    [
      ...["fio", "--name=bench", `--filename=${path}`, `--size=${options.spanBytes}`],
      `--rw=${load.random ? "rand" : ""}${load.direction}`,
      ...[`--bs=${load.bytes}`, `--iodepth=${load.depth}`, "--ioengine=libaio", "--direct=1"],
      ...["--time_based", `--runtime=${milliseconds(options.seconds)}`],
      ...[`--ramp_time=${milliseconds(rampSeconds)}`, "--norandommap"],
      ...["--randrepeat=1", "--thread", "--output-format=json"],
    ],
    { cwd: "/", deadlineMs: 60_000 },
  );
  const report: FioReport = JSON.parse(said.slice(said.indexOf("{")));
  const job = report.jobs[0];
  if (job === undefined || job.error !== 0) throw new Error(`fio failed on ${path}: ${said}`);
  return job[load.direction].iops;
}

/** Writes every byte once, so that nothing measured is a hole. */
export async function fillFile(path: string, spanBytes: number): Promise<void> {
  await must(
    [
      ...["fio", "--name=fill", `--filename=${path}`, `--size=${spanBytes}`, "--rw=write"],
      ...["--bs=1m", "--iodepth=4", "--ioengine=libaio", "--direct=1", "--end_fsync=1"],
    ],
    { cwd: "/", deadlineMs: 120_000 },
  );
}
