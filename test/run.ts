// `npm test`: every test file in a process of its own, and one last line that counts.
// Defect 28: the original had no tests.
//   npm test                      the whole suite
//   npm test -- mount cli/help    only files whose path contains one of the words
//   SHEEPFS_TEST_SHEEP=host:port  tests that can run against any cluster use that one
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../build.ts";
import { installPackages, needs } from "../tools/packages.ts";
import { endDescendants } from "./support/descendants.ts";
import { type FileReport, readReport } from "./support/report.ts";

const root = join(import.meta.dirname, "..");

/** A file that runs longer hangs. */
const fileDeadlineMs = 240_000;

/** A test that needs longer says so itself. */
const testDeadlineMs = 30_000;

/** These load the machine or use what exists once on it, so they run alone, after all others. */
const aloneFolders = [
  ...["test/mount/", "test/clients/", "test/bench/", "test/conformance/"],
  ...["test/serve/", "test/webdav/", "test/fuzz/", "test/faults/", "test/soak/"],
];

/** One run's files: its binary, its temporary files, its mark on every process it starts. */
interface Session {
  readonly binary: string;
  readonly folder: string;
}

async function main(words: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const files = testFiles(words);
  if (files.length === 0) {
    console.error(`no test file matches ${words.join(" ")}`);
    console.log("0 passed, 0 failed");
    return 1;
  }
  await installPackages(needs.tests);
  const folder = openFolder(join(tmpdir(), "sheepfs-run-"));
  try {
    const binary = join(root, "dist", "sheepfs");
    mkdirSync(join(root, "dist"), { recursive: true });
    await build(binary);
    const reports = await runAll(files, { binary, folder });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    return summarise(reports, seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A new folder through which other users find what is theirs: tests run programs as one. */
function openFolder(prefix: string): string {
  const folder = mkdtempSync(prefix);
  chmodSync(folder, 0o711);
  return folder;
}

function testFiles(words: readonly string[]): string[] {
  const glob = new Bun.Glob("test/**/*.test.ts");
  const all = [...glob.scanSync({ cwd: root })].sort();
  return all.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
}

async function runAll(files: readonly string[], session: Session): Promise<FileReport[]> {
  const alone = files.filter((file) => aloneFolders.some((folder) => file.startsWith(folder)));
  const beside = files.filter((file) => !alone.includes(file));
  const together = await inParallel(beside, Math.min(2, cpus().length), session);
  return [...together, ...(await inParallel(alone, 1, session))];
}

async function inParallel(
  files: readonly string[],
  width: number,
  session: Session,
): Promise<FileReport[]> {
  const waiting = [...files];
  const reports: FileReport[] = [];
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const report = await runFile(file, session);
      printReport(report);
      reports.push(report);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return reports;
}

async function runFile(file: string, session: Session): Promise<FileReport> {
  const startedMs = performance.now();
  const own = openFolder(join(session.folder, "file-"));
  const junit = join(own, "junit.xml");
  const mark = `${process.pid}-${own.split("-").at(-1)}`;
  const child = Bun.spawn({
    cmd: [
      process.execPath,
      "test",
      `--timeout=${testDeadlineMs}`,
      "--reporter=junit",
      `--reporter-outfile=${junit}`,
      `./${file}`,
    ],
    cwd: root,
    env: {
      ...process.env,
      TMPDIR: own,
      SHEEPFS_TEST_BINARY: session.binary,
      SHEEPFS_TEST_MARK: mark,
      NO_COLOR: "1",
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, fileDeadlineMs);
  const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  const exitCode = await child.exited;
  clearTimeout(timer);
  // What a test left running holds the pipes open; end it before their end is waited for.
  const left = await endDescendants(mark, own);
  const output = (await Promise.all(texts)).join("");
  const xml = existsSync(junit) ? await Bun.file(junit).text() : null;
  const seconds = (performance.now() - startedMs) / 1000;
  const problem = late ? `did not end within ${fileDeadlineMs / 1000} s` : null;
  return readReport({ file, xml, exitCode, output, seconds, problem, left });
}

function printReport(report: FileReport): void {
  const { file, passed, failed, skipped, seconds } = report;
  const counts = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  console.log(`${failed > 0 ? "FAIL" : "ok  "} ${file}: ${counts} (${seconds.toFixed(1)} s)`);
  for (const measured of report.output.match(/^(?:measured|left out): .*$/gm) ?? []) {
    console.log(`     ${measured}`);
  }
  for (const reason of report.skipReasons) console.log(`     skipped: ${reason}`);
  for (const problem of report.problems) console.log(`     ${problem}`);
  if (failed > 0) console.log(report.output.replace(/^/gm, "     | "));
}

function summarise(reports: readonly FileReport[], seconds: string): number {
  const sum = (count: (report: FileReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  const failed = sum((report) => report.failed);
  const skipped = sum((report) => report.skipped);
  const bad = reports.filter((report) => report.failed > 0).map((report) => report.file);
  console.log(`${reports.length} files in ${seconds} s`);
  if (bad.length > 0) console.log(`failed: ${bad.join(" ")}`);
  const skips = skipped > 0 ? `, ${skipped} skipped` : "";
  console.log(`${sum((report) => report.passed)} passed, ${failed} failed${skips}`);
  return failed > 0 ? 1 : 0;
}

process.exit(await main(process.argv.slice(2)));
