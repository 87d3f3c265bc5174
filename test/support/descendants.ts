import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

/**
 * Ends every process that carries this mark in its environment and unmounts what is mounted under
 * the folder, so that one test file cannot disturb the next.
 * @returns what was found, one line each
 */
export async function endDescendants(mark: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  const deadlineMs = performance.now() + 10_000;
  const told = new Set<number>();
  for (;;) {
    const pids = marked(mark);
    if (pids.length === 0 || performance.now() > deadlineMs) break;
    for (const pid of pids) {
      if (told.has(pid)) continue;
      told.add(pid);
      found.push(`process ${pid} (${commandLine(pid)})`);
      endProcess(pid);
    }
    unmountUnder(folder, found);
    await Bun.sleep(20);
  }
  unmountUnder(folder, found);
  return found;
}

function marked(mark: string): number[] {
  const wanted = `SHEEPFS_TEST_MARK=${mark}\0`;
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter(
      (pid) => pid !== process.pid && `${content(`/proc/${pid}/environ`)}\0`.includes(wanted),
    );
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

function unmountUnder(folder: string, found: string[]): void {
  const rows = content("/proc/self/mountinfo").split("\n").reverse();
  for (const row of rows) {
    const fields = row.split(" ");
    const path = fields[4];
    if (path === undefined || !path.startsWith(`${folder}/`)) continue;
    found.push(`mount ${path}`);
    const abort = `/sys/fs/fuse/connections/${fields[2]?.split(":")[1]}/abort`;
    if (existsSync(abort)) writeFileSync(abort, "1");
    spawnSync("umount", ["-l", path]);
  }
}

function commandLine(pid: number): string {
  return content(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function content(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A process that is gone has nothing to read.
    return "";
  }
}
