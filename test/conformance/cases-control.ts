import { expect } from "bun:test";
import { attach, detach, expectFailure, readText, writeText } from "./driver.ts";
import type { CaseGroup } from "./world.ts";

const timestamp = /^ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/;

export const controlGroups: readonly CaseGroup[] = [
  {
    about: "vdi/mount and vdi/unmount",
    cases: [
      {
        name: "attach and detach the volume that a line names",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("one", { size: "8M" });
          await attach(subject, vdi);
          expect(await subject.list("volume")).toEqual([vdi]);
          await detach(subject, vdi);
          expect(await subject.list("volume")).toEqual([]);
          await expectFailure(subject, subject.stat(`volume/${vdi}`), "not_found");
        },
      },

      {
        name: "give the writer the error of an unknown VDI, and attach nothing",
        run: async ({ subject }) => {
          await expectFailure(subject, attach(subject, "no-such-vdi"), "not_found");
          expect(await subject.list("volume")).toEqual([]);
        },
      },

      {
        name: "attaching again is success, detaching what is not attached is not",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("twice", { size: "8M" });
          await attach(subject, vdi);
          await attach(subject, vdi);
          expect(await subject.list("volume")).toEqual([vdi]);
          await detach(subject, vdi);
          await expectFailure(subject, detach(subject, vdi), "invalid");
          await expectFailure(subject, detach(subject, "no-such-vdi"), "invalid");
        },
      },

      {
        name: "an empty line is success and does nothing",
        run: async ({ subject }) => {
          const before = await readText(subject, "vdi/mount");
          for (const text of ["", "\n", "  \n\n"]) await writeText(subject, "vdi/mount", text);
          expect(await readText(subject, "vdi/mount")).toBe(before);
        },
      },

      {
        name: "a line may come in pieces; without an end it is taken at close",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("pieces", { size: "8M" });
          const file = await subject.open("vdi/mount", "write");
          let offset = 0;
          for (const character of vdi) {
            offset += await file.write(offset, new TextEncoder().encode(character));
          }
          expect(await subject.list("volume")).toEqual([]);
          await file.close();
          expect(await subject.list("volume")).toEqual([vdi]);
        },
      },

      {
        name: "an unfinished line that fails is the error of the close",
        run: async ({ subject }) => {
          const file = await subject.open("vdi/mount", "write");
          await file.write(0, new TextEncoder().encode("no-such-vdi"));
          await expectFailure(subject, file.close(), "not_found");
        },
      },

      {
        name: "each line of a write acts, and the first error is returned",
        run: async ({ subject, cluster }) => {
          const one = await cluster.createVdi("one", { size: "8M" });
          const two = await cluster.createVdi("two", { size: "8M" });
          const lines = `${one}\nno-such-vdi\n${two}\n`;
          await expectFailure(subject, writeText(subject, "vdi/mount", lines), "not_found");
          expect(await subject.list("volume")).toEqual([one, two].sort());
        },
      },

      {
        name: "a line that is too long is refused",
        run: async ({ subject }) => {
          const line = `${"x".repeat(5_000)}\n`;
          await expectFailure(subject, writeText(subject, "vdi/mount", line), "invalid");
          const name = `${"x".repeat(256)}\n`;
          await expectFailure(subject, writeText(subject, "vdi/mount", name), "name_too_long");
        },
      },

      {
        name: "many lines at once attach each volume once",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("race", { size: "8M" });
          await Promise.all(Array.from({ length: 8 }, () => attach(subject, vdi)));
          expect(await subject.list("volume")).toEqual([vdi]);
        },
      },
    ],
  },

  {
    about: "reading a control file",
    cases: [
      {
        name: "gives what is attached, in the size that stat shows",
        run: async ({ subject, cluster }) => {
          expect(await readText(subject, "vdi/mount")).toContain("attached:\n  nothing\n");
          const vdi = await cluster.createVdi("shown", { size: "8M" });
          await attach(subject, vdi);
          for (const path of ["vdi/mount", "vdi/unmount"]) {
            const text = await readText(subject, path);
            expect(text).toContain(`attached:\n  ${vdi}  8388608 bytes, writable`);
            expect((await subject.stat(path)).sizeBytes).toBe(Buffer.byteLength(text));
          }
        },
      },

      {
        name: "gives each result with its time, outcome, reason and what to do",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("told", { size: "8M" });
          await attach(subject, vdi);
          await attach(subject, "no-such-vdi").catch(() => {});
          await detach(subject, "no-such-vdi").catch(() => {});
          const rows = (await readText(subject, "vdi/mount")).trimEnd().split("\n").slice(-2);
          for (const row of rows) expect(row).toMatch(timestamp);
          expect(rows[0]).toContain(`  ok  '${vdi}'  attached: volume/${vdi}`);
          expect(rows[1]).toContain("  not_found  'no-such-vdi'  there is no VDI 'no-such-vdi'");
          expect(rows[1]).toContain("; to do: see vdi/list");
          const unmount = (await readText(subject, "vdi/unmount")).trimEnd().split("\n").at(-1);
          expect(unmount).toContain("  invalid  'no-such-vdi'  'no-such-vdi' is not attached");
          expect(unmount).toContain("; to do: ");
        },
      },

      {
        // [S-26]
        name: "gives the last 16 results",
        run: async ({ subject }) => {
          for (let count = 0; count < 18; count += 1) {
            await attach(subject, `no-such-${count}`).catch(() => {});
          }
          const rows = (await readText(subject, "vdi/mount")).split("\n");
          const results = rows.filter((row) => timestamp.test(row));
          expect(results.length).toBe(16);
          expect(results[0]).toContain("'no-such-2'");
          expect(results[15]).toContain("'no-such-17'");
        },
      },
    ],
  },

  {
    about: "a control file",
    cases: [
      {
        name: "may be emptied before it is written, as > does",
        run: async ({ subject }) => {
          for (const path of ["vdi/mount", "vdi/unmount", "config/page_cache"]) {
            await subject.setSize(path, 0);
          }
        },
      },
    ],
  },
];
