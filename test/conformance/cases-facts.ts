import { expect } from "bun:test";
import {
  attach,
  eventually,
  expectFailure,
  pattern,
  readText,
  writePart,
  writeText,
} from "./driver.ts";
import type { CaseGroup, World } from "./world.ts";

const MiB = 1 << 20;

const factNames = [
  ...["copies", "copy_policy", "created", "info", "object_size", "parent", "shared", "size"],
  ...["snapshots", "tag", "used", "vid"],
];

/** All facts of a VDI, without the newline that ends each. */
async function factsOf({ subject }: World, vdi: string): Promise<Readonly<Record<string, string>>> {
  const facts: Record<string, string> = {};
  for (const name of factNames) {
    const text = await readText(subject, `vdi/${vdi}/${name}`);
    expect([name, text]).toEqual([name, expect.stringMatching(/^(.*\n)?$/s)]);
    facts[name] = text.replace(/\n$/, "");
  }
  return facts;
}

export const factGroups: readonly CaseGroup[] = [
  {
    about: "vdi/VDI/",
    cases: [
      {
        // [S-135]
        name: "has one fact a file, of VDIs that are attached and of those that are not",
        run: async (world) => {
          const { subject, cluster } = world;
          const vdi = await cluster.createVdi("facts", { size: "16M", objectSize: "4M" });
          expect(await subject.list("vdi")).toContain(vdi);
          expect((await subject.stat(`vdi/${vdi}`)).kind).toBe("dir");
          expect(await subject.list(`vdi/${vdi}`)).toEqual(factNames);
          const facts = await factsOf(world, vdi);
          expect(facts).toMatchObject({ size: String(16 * MiB), object_size: String(4 * MiB) });
          expect(facts).toMatchObject({ used: "0", shared: "0", snapshots: "0" });
          expect(facts).toMatchObject({ parent: "", tag: "", copy_policy: "replicated" });
          expect(facts["vid"]).toMatch(/^[0-9a-f]{6}$/);
          expect(Math.abs(Date.parse(facts["created"] ?? "") - Date.now())).toBeLessThan(60_000);
          expect(JSON.parse(facts["info"] ?? "")).toMatchObject({
            ...{ name: vdi, vid: facts["vid"], sizeBytes: 16 * MiB, usedBytes: 0 },
            copies: Number(facts["copies"]),
          });
          for (const name of factNames) {
            const { sizeBytes } = await subject.stat(`vdi/${vdi}/${name}`);
            const bytes = (await readText(subject, `vdi/${vdi}/${name}`)).length;
            expect([name, sizeBytes]).toEqual([name, bytes]);
          }
        },
      },
      {
        // [S-135]
        name: "tells at once what was changed through the tree",
        run: async (world) => {
          const { subject, cluster } = world;
          const vdi = await cluster.createVdi("change", { size: "16M", objectSize: "4M" });
          await attach(subject, vdi);
          expect((await factsOf(world, vdi))["used"]).toBe("0");
          await writePart(subject, `volume/${vdi}`, 3 * MiB, pattern(2 * MiB, 1));
          expect((await factsOf(world, vdi))["used"]).toBe(String(8 * MiB));
          await subject.makeDir(`snapshot/${vdi}/monday`);
          expect(await factsOf(world, vdi)).toMatchObject({
            ...{ used: "0", shared: String(8 * MiB), snapshots: "1", parent: `${vdi}@monday` },
          });
          await subject.remove(`snapshot/${vdi}/monday`);
          expect(await factsOf(world, vdi)).toMatchObject({ snapshots: "0", parent: "" });
          const made = `${vdi}-made`;
          await subject.create(`volume/${made}`, 8 * MiB);
          expect(await subject.list("vdi")).toContain(made);
          await subject.remove(`volume/${made}`);
          expect(await subject.list("vdi")).not.toContain(made);
          await expectFailure(subject, subject.stat(`vdi/${made}`), "not_found");
        },
      },
      {
        name: "can be written and made in no other way than by its size",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("fixed", { size: "8M" });
          for (const name of factNames.filter((one) => one !== "size")) {
            await expectFailure(subject, subject.open(`vdi/${vdi}/${name}`, "write"), "denied");
          }
          await expectFailure(subject, subject.makeDir(`vdi/${vdi}/new`), "not_supported");
          await expectFailure(subject, subject.makeDir(`vdi/${vdi}-new`), "not_supported");
          await expectFailure(subject, subject.remove(`vdi/${vdi}/size`), "not_supported");
          await expectFailure(subject, subject.create(`vdi/${vdi}/new`, 1), "not_supported");
          expect(await readText(subject, `vdi/${vdi}/size`)).toBe(`${8 * MiB}\n`);
        },
      },
      {
        // [S-136]
        name: "a written size makes the VDI larger, attached or not, and never smaller",
        run: async ({ subject, cluster }) => {
          const vdi = await cluster.createVdi("sized", { size: "8M" });
          const path = `vdi/${vdi}/size`;
          await writeText(subject, path, "12M\n");
          expect(await readText(subject, path)).toBe(`${12 * MiB}\n`);
          await attach(subject, vdi);
          expect((await subject.stat(`volume/${vdi}`)).sizeBytes).toBe(12 * MiB);
          await writeText(subject, path, String(20 * MiB));
          expect(await readText(subject, path)).toBe(`${20 * MiB}\n`);
          expect((await subject.stat(`volume/${vdi}`)).sizeBytes).toBe(20 * MiB);
          expect(await writePart(subject, `volume/${vdi}`, 19 * MiB, pattern(100, 1))).toBe(100);
          for (const text of ["8M\n", "0\n", "large\n", "-1\n", "1E\n"]) {
            await expectFailure(subject, writeText(subject, path, text), "invalid");
          }
          await expectFailure(subject, writeText(subject, path, "5P\n"), "too_large");
          expect(await readText(subject, path)).toBe(`${20 * MiB}\n`);
          expect((await subject.stat(`volume/${vdi}`)).sizeBytes).toBe(20 * MiB);
        },
      },
      {
        name: "what others make and grow is seen within two seconds",
        run: async (world) => {
          const { subject, cluster, other } = world;
          const vdi = await cluster.createVdi("others", { size: "8M" });
          expect((await factsOf(world, vdi))["snapshots"]).toBe("0");
          await other.snapshot(vdi, "theirs");
          const count = async () => await readText(subject, `vdi/${vdi}/snapshots`);
          await eventually("their snapshot is counted", async () => (await count()) === "1\n");
          await eventually("its parent is named", async () => {
            return (await readText(subject, `vdi/${vdi}/parent`)) === `${vdi}@theirs\n`;
          });
          await subject.remove(`snapshot/${vdi}/theirs`);
        },
      },
    ],
  },
];
