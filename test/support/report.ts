/** What became of one test file. */
export interface FileReport {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skipReasons: readonly string[];
  /** What is wrong beyond single tests. */
  readonly problems: readonly string[];
  readonly seconds: number;
  readonly output: string;
}

export interface FileRun {
  readonly file: string;
  /** The JUnit report, null when none was written. */
  readonly xml: string | null;
  readonly exitCode: number;
  readonly output: string;
  readonly seconds: number;
  /** Why it was ended, null when it ended by itself. */
  readonly problem: string | null;
  /** Processes and mounts that it left behind. */
  readonly left: readonly string[];
}

/**
 * Counts from the report, distrusting it: a file that crashed, hung, ran nothing or left something
 * behind has failed, whatever its tests say.
 */
export function readReport(run: FileRun): FileReport {
  const counts = run.xml === null ? null : countsOf(run.xml);
  const { tests, failures, skipped } = counts ?? { tests: 0, failures: 0, skipped: 0 };
  const problems = [
    ...(run.problem === null ? [] : [run.problem]),
    ...(counts === null ? [`crashed: exit code ${run.exitCode} and no report`] : []),
    ...(counts !== null && tests === 0 ? ["holds no test"] : []),
    ...run.left.map((thing) => `left behind: ${thing}`),
  ];
  if (problems.length === 0 && failures === 0 && run.exitCode !== 0) {
    problems.push(`exit code ${run.exitCode} although every test passed`);
  }
  return {
    file: run.file,
    passed: Math.max(0, tests - failures - skipped),
    failed: failures + (problems.length > 0 && failures === 0 ? 1 : 0),
    skipped,
    skipReasons: [...(run.xml ?? "").matchAll(skippedCase)].map((match) => plain(match[1] ?? "")),
    problems,
    seconds: run.seconds,
    output: run.output,
  };
}

/** A skipped test says in its name why it is skipped. */
const skippedCase = /<testcase name="([^"]*)"[^>]*>\s*<skipped/g;

function plain(text: string): string {
  const characters = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&" };
  return text.replace(/&(quot|apos|lt|gt|amp);/g, (whole, name: string) => {
    return Object.entries(characters).find(([key]) => key === name)?.[1] ?? whole;
  });
}

function countsOf(xml: string): { tests: number; failures: number; skipped: number } | null {
  const head = /<testsuites [^>]*>/.exec(xml)?.[0];
  if (head === undefined || !xml.includes("</testsuites>")) return null;
  const number = (name: string): number =>
    Number(new RegExp(` ${name}="([0-9]+)"`).exec(head)?.[1] ?? 0);
  return {
    tests: number("tests"),
    failures: number("failures") + number("errors"),
    skipped: number("skipped"),
  };
}
