// `npm run simulate`: plays seeds, and shows how one that fails came to it.
//   npm run simulate -- --seeds 10000 [--from 1] [--json]
//   npm run simulate -- --seed 4711 [--events 200]   the last events before what is wrong
import { parseArgs } from "node:util";
import { type Played, play } from "./play.ts";

interface Totals {
  readonly counts: Record<string, number>;
  played: number;
  simulatedMs: number;
  readonly failed: number[];
}

/** Between two lines of progress. */
const progressMs = 5_000;
/** Seeds that fail are told up to here; then it ends. */
const failuresMax = 10;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    events: { type: "string", default: "200" },
    json: { type: "boolean", default: false },
  },
});

function wholeNumber(text: string, name: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} ${text}: give a whole number`);
  process.exit(64);
}

/** Plays one seed again and shows its last events. */
function replay(seed: number, events: number): boolean {
  const lines: string[] = [];
  const played = play(seed, (line) => {
    lines.push(line);
    if (lines.length > 2 * events) lines.splice(0, lines.length - events);
  });
  if (values.json) {
    console.log(JSON.stringify({ ...played, events: lines.slice(-events) }));
  } else {
    for (const line of lines.slice(-events)) console.log(line);
    report(played);
  }
  return played.wrong.length === 0;
}

function report({ seed, wrong }: Played): void {
  if (wrong.length === 0) console.log(`seed ${seed}: all is well`);
  for (const text of wrong) console.log(`seed ${seed}: ${text}`);
}

function playMany(from: number, count: number): boolean {
  const beganMs = performance.now();
  let toldMs = beganMs;
  const totals: Totals = { counts: {}, played: 0, simulatedMs: 0, failed: [] };
  for (let seed = from; seed < from + count; seed += 1) {
    const played = play(seed, null);
    totals.played += 1;
    totals.simulatedMs += played.simulatedMs;
    for (const [name, number] of Object.entries(played.counts)) {
      totals.counts[name] = (totals.counts[name] ?? 0) + number;
    }
    if (played.wrong.length > 0) {
      totals.failed.push(seed);
      if (!values.json) report(played);
      if (totals.failed.length === failuresMax) break;
    }
    const nowMs = performance.now();
    if (values.json || nowMs - toldMs < progressMs) continue;
    toldMs = nowMs;
    console.log(progress(totals, count, nowMs - beganMs));
  }
  tell(totals, performance.now() - beganMs);
  return totals.failed.length === 0;
}

function progress({ played, failed }: Totals, count: number, tookMs: number): string {
  const rate = played / (tookMs / 1_000);
  const left = Math.ceil((count - played) / rate);
  return `${played} of ${count} seeds, ${failed.length} failed, ${rate.toFixed(1)} a second, ${left} s left`;
}

function tell(totals: Totals, tookMs: number): void {
  const seconds = tookMs / 1_000;
  if (values.json) {
    console.log(JSON.stringify({ ...totals, seconds }));
    return;
  }
  const names = Object.keys(totals.counts).sort();
  for (const name of names) console.log(`${String(totals.counts[name]).padStart(10)} ${name}`);
  const { played, failed, simulatedMs } = totals;
  const rate = (played / seconds).toFixed(1);
  console.log(
    `${played} seeds in ${seconds.toFixed(0)} s (${rate} a second, ${(simulatedMs / 3_600_000).toFixed(1)} h simulated)`,
  );
  if (failed.length === 0) console.log("all is well");
  else console.log(`failed: ${failed.join(" ")}; see: npm run simulate -- --seed ${failed[0]}`);
}

const well =
  values.seed === undefined
    ? playMany(wholeNumber(values.from, "from"), wholeNumber(values.seeds, "seeds"))
    : replay(wholeNumber(values.seed, "seed"), wholeNumber(values.events, "events"));
process.exit(well ? 0 : 1);
