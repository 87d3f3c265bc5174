import { expect } from "bun:test";
import {
  attach,
  expectFailure,
  pattern,
  readPart,
  readText,
  sameContent,
  writePart,
  writeText,
} from "./driver.ts";
import type { CaseGroup } from "./world.ts";

const switches = ["config/page_cache", "config/object_cache"] as const;

export const configGroups: readonly CaseGroup[] = [
  {
    about: "config/sheep_info",
    cases: [
      {
        name: "shows the sheep in use and takes it back",
        run: async ({ subject, cluster }) => {
          const text = await readText(subject, "config/sheep_info");
          expect(text).toBe(`${cluster.address}\n`);
          expect((await subject.stat("config/sheep_info")).sizeBytes).toBe(text.length);
          await writeText(subject, "config/sheep_info", text);
          expect(await readText(subject, "config/sheep_info")).toBe(text);
        },
      },

      {
        name: "takes names and lists, and volumes go on",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("moved", { size: "8M" });
          await attach(subject, vdi);
          expect(await writePart(subject, `volume/${vdi}`, 0, pattern(4_096, 1))).toBe(4_096);
          const port = cluster.address.slice(cluster.address.lastIndexOf(":"));
          const lines = cluster.embedded
            ? [`localhost${port}`, `127.0.0.1:1,${cluster.address}`]
            : [];
          for (const line of lines) {
            await writeText(subject, "config/sheep_info", `${line}\n`);
            const text = await readText(subject, "config/sheep_info");
            expect(text.trim().split(",").sort()).toEqual(line.split(",").sort());
            const found = await readPart(subject, `volume/${vdi}`, 0, 4_096);
            expect(sameContent(found, pattern(4_096, 1))).toBe(true);
          }
          expect(await readText(subject, "cluster/info")).toContain("Cluster status: running");
        },
      },

      {
        name: "refuses what is no address, and keeps what it had",
        run: async ({ subject, cluster }) => {
          const bad = ["nonsense", "1.2.3.4:", "::1", "[::1]:0", ":7000", "a b:7000", "x:7000,"];
          for (const line of [...bad, "127.0.0.1:70000", `${"a".repeat(400)}:7000`]) {
            const writing = writeText(subject, "config/sheep_info", `${line}\n`);
            await expectFailure(subject, writing, "invalid");
            expect(await readText(subject, "config/sheep_info")).toBe(`${cluster.address}\n`);
          }
        },
      },

      {
        name: "refuses an address where no sheep is, and keeps what it had",
        run: async ({ subject, cluster }) => {
          for (const line of ["127.0.0.1:1", "[::1]:1"]) {
            const writing = writeText(subject, "config/sheep_info", `${line}\n`);
            await expectFailure(subject, writing, "unavailable");
            expect(await readText(subject, "config/sheep_info")).toBe(`${cluster.address}\n`);
          }
          expect(await readText(subject, "cluster/info")).toContain("Cluster status: running");
        },
      },
    ],
  },

  {
    about: "config/page_cache and config/object_cache",
    cases: [
      {
        name: "are 0 or 1",
        run: async ({ subject }) => {
          for (const path of switches) {
            expect(await readText(subject, path)).toBe("0\n");
            for (const value of ["1\n", "0\n"]) {
              await writeText(subject, path, value);
              expect(await readText(subject, path)).toBe(value);
              expect((await subject.stat(path)).sizeBytes).toBe(2);
            }
            for (const bad of ["2", "yes", "-1", "1 1", "01"]) {
              await expectFailure(subject, writeText(subject, path, `${bad}\n`), "invalid");
              expect(await readText(subject, path)).toBe("0\n");
            }
          }
        },
      },
    ],
  },
  {
    about: "config/page_cache",
    cases: [
      {
        // [S-29]
        name: "concerns volumes that are opened from then on",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("switch", { size: "8M" });
          await attach(subject, vdi);
          for (const [seed, value] of ["1\n", "0\n"].entries()) {
            await writeText(subject, "config/page_cache", value);
            const path = `volume/${vdi}`;
            expect(await writePart(subject, path, 100, pattern(5_000, seed))).toBe(5_000);
            const found = await readPart(subject, path, 100, 5_000);
            expect(sameContent(found, pattern(5_000, seed))).toBe(true);
          }
        },
      },
    ],
  },
];
