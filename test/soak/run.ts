// `npm run soak -- --minutes N`: partitions, kills and stops of the gateway in turn, and now and then a
// kill of the server of the mount, under fio, ext4 and SQLite, with a line for memory and open files of
// the mount each ten seconds. Fails when anything was lost, or when it holds more at the end than after
// a third of the time.
import { parseArgs } from "node:util";
import { type Sample, soak } from "./soak.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "30" } } });

/** Of what a process holds under a changing load, a tenth is chance. */
const growthMax = 1.1;

function most(samples: readonly Sample[], of: (sample: Sample) => number): number {
  return Math.max(...samples.map(of));
}

const report = await soak({
  ...{ durationMs: Number(values.minutes) * 60_000, sampleMs: 10_000 },
  ...{ holdMs: 3_000, restMs: 5_000 },
  sampled: ({ seconds, rssMiB, files, keeperRssMiB, keeperFiles, faults }) =>
    console.log(
      `${seconds} s: ${rssMiB} MiB, ${files} open files; keeper ${keeperRssMiB} MiB, ` +
        `${keeperFiles}; ${faults} faults`,
    ),
});
const { samples, fioRuns, fioErrors, transactions, lostTransactions } = report;
const third = Math.ceil(samples.length / 3);
const [early, late] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
const grown = (of: (sample: Sample) => number): boolean =>
  late.length > 0 && early.length > 0 && most(late, of) > most(early, of) * growthMax;
const problems = [
  ...fioErrors.map((error) => `fio: ${error}`),
  ...(lostTransactions > 0 ? [`${lostTransactions} transactions are lost`] : []),
  ...(grown(({ rssMiB }) => rssMiB) ? ["memory grows"] : []),
  ...(grown(({ files }) => files) ? ["open files grow"] : []),
  ...(grown(({ keeperRssMiB }) => keeperRssMiB) ? ["the keeper's memory grows"] : []),
  ...(grown(({ keeperFiles }) => keeperFiles) ? ["the keeper's open files grow"] : []),
];
console.log(`fio: ${fioRuns} runs; ${transactions} transactions; e2fsck clean; integrity ok`);
console.log(`longest read ${report.longestReadMs} ms, longest write ${report.longestWriteMs} ms`);
for (const problem of problems) console.log(problem);
process.exit(problems.length === 0 ? 0 : 1);
