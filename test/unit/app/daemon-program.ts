// A program that becomes a daemon as `sheepfs mount` does: `daemon-program.ts HOW FOLDER TIMEOUT_MS`.
// Both sides print what became of them: the command on its stdout, the daemon into FOLDER/said.
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beDaemon, isDaemon, startDaemon } from "../../../src/app/daemon.ts";
import { asSheepfsError, errorTable, SheepfsError } from "../../../src/base/errors.ts";

const [how, folder = "", timeoutMs] = process.argv.slice(2);

async function serve(ready: (said: string) => void): Promise<void> {
  writeFileSync(join(folder, "pid"), String(process.pid));
  const facts = {
    cwd: process.cwd(),
    leadsSession: sessionOf("self") === process.pid,
    stdio: [0, 1, 2].map((fd) => readlinkSync(`/proc/self/fd/${fd}`)),
  };
  writeFileSync(join(folder, "said"), JSON.stringify(facts));
  if (how === "fail") throw new SheepfsError("busy", "VDI 'web1' is attached by 10.0.0.7: 7000");
  if (how === "bug") throw new Error("no such thing");
  if (how === "die") process.exit(7);
  if (how === "deaf") process.on("SIGTERM", () => {});
  if (how === "ready") ready("at /x");
  while (!existsSync(join(folder, "end"))) await Bun.sleep(5);
}

function sessionOf(pid: string): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[3]);
}

try {
  if (isDaemon()) {
    await beDaemon(serve);
  } else {
    const { said } = await startDaemon({
      argv: process.argv.slice(2),
      what: "mount",
      mountpoint: folder,
      readyTimeoutMs: Number(timeoutMs),
    });
    console.log(`usable ${said}`);
  }
  process.exit(0);
} catch (thrown) {
  const error = asSheepfsError(thrown);
  console.log(error.message);
  process.exit(errorTable[error.code].exit);
}
