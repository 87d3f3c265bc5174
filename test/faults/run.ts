// `npm run faults`: breaks a cluster again and again under a mount that is used, and prints a table.
//   --fault kill|stop|partition|sheepfs    may be repeated; all without
//   --cycles N                             of each fault (100)
//   --hold MS                              how long each lasts (stop, partition: 10000, kill: 500),
//                                        of sheepfs how long it then lives: 2500
//   --sheep HOST:PORT,...                  a cluster of yours, instead of an embedded sheep
//   --break CMD --mend CMD                 how to break and mend it, by a shell, with CYCLE and GATEWAY set
// As root: it mounts, and makes network namespaces for the embedded sheep.
import { parseArgs } from "node:util";
import { markdown } from "../bench/table.ts";
import { NamedCluster } from "../support/cluster.ts";
import { EmbeddedSite } from "./embedded-site.ts";
import { CommandSite, type Fault, type FaultSite, faults } from "./site.ts";
import { runTrial, type TrialReport } from "./trial.ts";

const { values } = parseArgs({
  options: {
    fault: { type: "string", multiple: true },
    cycles: { type: "string", default: "100" },
    hold: { type: "string" },
    sheep: { type: "string", default: "embedded" },
    break: { type: "string", default: "" },
    mend: { type: "string", default: "" },
  },
});

const holdOf: Record<Fault, number> = {
  kill: 500,
  stop: 10_000,
  partition: 10_000,
  sheepfs: 2_500,
};

async function openSite(): Promise<FaultSite> {
  if (values.sheep === "embedded") return await EmbeddedSite.start();
  const commands = { break: values.break, mend: values.mend };
  return new CommandSite(new NamedCluster(values.sheep), commands);
}

function wanted(): Fault[] {
  const given = values.fault ?? faults;
  return given.map((name) => {
    const known = faults.find((fault) => fault === name);
    if (known === undefined) throw new Error(`--fault: '${name}' is none of ${faults.join(", ")}`);
    return known;
  });
}

function row(report: TrialReport): string[] {
  return [
    ...[report.fault, report.cycles, report.fioRuns, report.fioErrors.length].map(String),
    `${report.transactions} (${report.lostTransactions} lost)`,
    ...["clean", "ok", `${report.longestReadMs} ms`, `${report.longestWriteMs} ms`],
  ];
}

await using site = await openSite();
const reports: TrialReport[] = [];
for (const fault of wanted()) {
  const holdMs = values.hold === undefined ? holdOf[fault] : Number(values.hold);
  const progress = (cycle: number): void => {
    if (cycle % 10 === 0) console.log(`${fault}: ${cycle} cycles`);
  };
  const report = await runTrial(site, { fault, cycles: Number(values.cycles), holdMs, progress });
  for (const error of report.fioErrors) console.log(`fio: ${error}`);
  reports.push(report);
}
const heads = ["fault", "cycles", "fio runs", "fio errors", "transactions", "e2fsck", "integrity"];
console.log(`\n${site.about}\n`);
console.log(markdown([...heads, "longest read", "longest write"], reports.map(row)));
process.exitCode = reports.some(
  ({ fioErrors, lostTransactions }) => fioErrors.length + lostTransactions > 0,
)
  ? 1
  : 0;
