import { expect } from "bun:test";
import { attach, eventually, expectFailure, readText } from "./driver.ts";
import type { CaseGroup } from "./world.ts";

const texts = ["cluster/info", "cluster/status", "vdi/list", "node/info", "node/list"] as const;

const directories: Readonly<Record<string, readonly string[]>> = {
  "": ["cluster", "config", "node", "snapshot", "vdi", "volume"],
  cluster: ["info", "status"],
  config: ["object_cache", "page_cache", "sheep_info"],
  node: ["info", "list"],
  vdi: ["list", "mount", "snapshot", "unmount"],
  volume: [],
};

export const textGroups: readonly CaseGroup[] = [
  {
    about: "the tree",
    cases: [
      {
        name: "has its directories and files, each of its kind, and no others",
        run: async ({ subject }) => {
          for (const [path, names] of Object.entries(directories)) {
            const listed = await subject.list(path);
            // The cluster may have VDIs of others.
            if (path === "vdi") expect(listed).toEqual(expect.arrayContaining([...names]));
            else expect(listed).toEqual([...names]);
            expect((await subject.stat(path)).kind).toBe("dir");
            for (const name of path === "" ? [] : names) {
              expect((await subject.stat(`${path}/${name}`)).kind).toBe("file");
            }
          }
          for (const path of ["no", "vdi/no", "volume/no", "cluster/info "]) {
            await expectFailure(subject, subject.stat(path), "not_found");
          }
          await expectFailure(subject, subject.stat("cluster/info/x"), "not_directory");
        },
      },
    ],
  },

  {
    about: "a text",
    cases: [
      {
        name: "has the size that stat shows, and is read in any pieces",
        run: async ({ subject, cluster }) => {
          await cluster.createVdi("listed", { size: "8M" });
          for (const path of texts) {
            await using file = await subject.open(path, "read");
            const whole = await file.read(0, 1 << 20);
            expect([path, (await subject.stat(path)).sizeBytes]).toEqual([path, whole.length]);
            expect(Buffer.from(await file.read(7, 20))).toEqual(Buffer.from(whole.subarray(7, 27)));
            expect((await file.read(whole.length, 10)).length).toBe(0);
            expect(whole.at(-1)).toBe(0x0a);
          }
        },
      },

      {
        name: "tells of the cluster, its VDIs and its nodes",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("told", { size: "32M" });
          const info = await readText(subject, "cluster/info");
          expect(info).toStartWith("Cluster status: running, auto-recovery enabled\n");
          expect(info).toMatch(/^Cluster created at \w{3} \w{3} +\d+ [\d:]{8} \d{4}$/m);
          expect(info).toContain("Epoch Time           Version [Host:Port:V-Nodes,,,]\n");
          const list = await readText(subject, "vdi/list");
          expect(list).toMatch(/^ {2}Name +Id +Size +Used +Shared +Creation time +VDI id +Copies/);
          expect(list).toMatch(new RegExp(`^  ${vdi} +0 +32 MB +0.0 MB +0.0 MB `, "m"));
          const node = await readText(subject, "node/list");
          expect(node).toContain("Host:Port");
          expect(node).toContain(cluster.address);
          expect(await readText(subject, "node/info")).toContain("\nTotal virtual image size\t");
        },
      },

      {
        // [S-23]
        name: "that is open never changes, and whoever opens it a second later sees what is new",
        run: async ({ subject, cluster }) => {
          await using file = await subject.open("vdi/list", "read");
          const before = await file.read(0, 1 << 20);
          const vdi = await cluster.createVdi("later", { size: "8M" });
          await eventually("the new VDI is listed", async () =>
            (await readText(subject, "vdi/list")).includes(vdi),
          );
          expect(Buffer.from(await file.read(0, 1 << 20))).toEqual(Buffer.from(before));
        },
      },

      {
        // [S-23]
        name: "shows what was written to a volume as soon as the writer has closed it",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("used", { size: "8M" });
          await attach(subject, vdi);
          const usedMiB = async (): Promise<string | undefined> => {
            const list = await readText(subject, "vdi/list");
            return new RegExp(`^  ${vdi} +0 +8.0 MB +([0-9.]+) MB `, "m").exec(list)?.[1];
          };
          expect(await usedMiB()).toBe("0.0");
          {
            await using file = await subject.open(`volume/${vdi}`, "write");
            await file.write(4 << 20, new Uint8Array(4096).fill(1));
          }
          expect(Number(await usedMiB())).toBeGreaterThan(0);
        },
      },

      {
        name: "has the time of its rendering",
        run: async ({ subject }) => {
          const startMs = Date.now();
          await readText(subject, "cluster/info");
          const { mtimeMs } = await subject.stat("cluster/info");
          expect(mtimeMs).toBeGreaterThanOrEqual(startMs - 1_000);
          expect(mtimeMs).toBeLessThanOrEqual(Date.now() + 1);
        },
      },

      {
        name: "cannot be written or cut",
        run: async ({ subject }) => {
          for (const path of texts) {
            await expectFailure(subject, subject.open(path, "write"), "denied");
            await expectFailure(subject, subject.open(path, "readwrite"), "denied");
            await expectFailure(subject, subject.setSize(path, 3), "not_supported");
          }
        },
      },

      {
        name: "is there for many readers at once",
        run: async ({ subject, cluster }) => {
          await attach(subject, await cluster.createVdi("many", { size: "8M" }));
          const readers = Array.from({ length: 20 }, () => readText(subject, "vdi/list"));
          expect(new Set(await Promise.all(readers)).size).toBe(1);
        },
      },
    ],
  },
];
