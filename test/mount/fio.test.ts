import { expect, test } from "bun:test";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { run } from "../support/process.ts";

interface FioCase {
  readonly name: string;
  readonly engine: "libaio" | "psync" | "mmap" | "io_uring";
  readonly direct: boolean;
  readonly pageCache: boolean;
  readonly blocks: string;
  readonly depth: number;
  readonly jobs?: number;
}

const direct = { direct: true, pageCache: false } as const;
const cached = { direct: false, pageCache: true } as const;

const cases: readonly FioCase[] = [
  { name: "sectors", engine: "libaio", ...direct, blocks: "bs=512", depth: 16 },
  { name: "pages, one by one", engine: "psync", ...direct, blocks: "bs=4k", depth: 1 },
  { name: "pages, 64 at once", engine: "libaio", ...direct, blocks: "bs=4k", depth: 64 },
  { name: "all sizes", engine: "libaio", ...direct, blocks: "bsrange=512-4m", depth: 16 },
  { name: "4 MiB blocks", engine: "libaio", ...direct, blocks: "bs=4m", depth: 4 },
  { name: "io_uring", engine: "io_uring", ...direct, blocks: "bs=64k", depth: 16 },
  { name: "threads", engine: "psync", ...direct, blocks: "bs=16k", depth: 1, jobs: 4 },
  {
    name: "without O_DIRECT",
    engine: "psync",
    direct: false,
    pageCache: false,
    blocks: "bsrange=1k-256k",
    depth: 1,
  },
  { name: "through the page cache", engine: "psync", ...cached, blocks: "bs=4k", depth: 1 },
  { name: "mmap of the page cache", engine: "mmap", ...cached, blocks: "bs=4k", depth: 1 },
  {
    name: "O_DIRECT past the page cache",
    engine: "libaio",
    direct: true,
    pageCache: true,
    blocks: "bs=64k",
    depth: 16,
  },
];

const jobMiB = 24;

for (const fio of cases) {
  test(`fio --verify finds what it wrote: ${fio.name}`, async () => {
    await using cluster = await startCluster();
    const jobs = fio.jobs ?? 1;
    const vdi = await cluster.createVdi("fio", { size: `${jobMiB * jobs}M`, objectSize: "4M" });
    const args = fio.pageCache ? ["--page-cache", "--attach", vdi] : ["--attach", vdi];
    await using mount = await mountSheepfs(cluster, { args });
    const { exitCode, stderr, stdout } = await run(
      [
        "fio",
        "--name=verify",
        `--filename=${mount.file("volume", vdi)}`,
        `--size=${jobMiB}m`,
        `--offset_increment=${jobMiB}m`,
        `--numjobs=${jobs}`,
        "--rw=randwrite",
        `--ioengine=${fio.engine}`,
        `--direct=${fio.direct ? 1 : 0}`,
        `--${fio.blocks}`,
        `--iodepth=${fio.depth}`,
        "--verify=crc32c",
        "--verify_state_save=0",
        "--verify_fatal=1",
        "--do_verify=1",
        "--end_fsync=1",
        "--thread",
        "--output-format=terse",
      ],
      { cwd: "/", deadlineMs: 60_000 },
    );
    expect(`${stdout}${stderr}`).not.toContain("verify:");
    expect([exitCode, stderr]).toEqual([0, jobs === 1 ? "" : stderr]);
  }, 90_000);
}
