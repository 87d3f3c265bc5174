import { expect } from "bun:test";
import { escapeName, unescapeName } from "../../src/tree/names.ts";
import {
  attach,
  detach,
  expectFailure,
  pattern,
  readPart,
  readText,
  sameContent,
  writePart,
} from "./driver.ts";
import type { CaseGroup, World } from "./world.ts";

/** Beginnings of names of VDIs, escaped; whoever creates them appends to them. */
const escapedNames: readonly (readonly [string, string])[] = [
  ["a slash", "a\\x2fb"],
  ["a control character", "a\\x1b[31m"],
  ["a newline", "a\\x0ab"],
  ["no UTF-8", "a\\xff\\xfeb"],
  ["a path upwards", "..\\x2f..\\x2fetc"],
  ["a backslash", "a\\x5cb"],
  ["a space in front", "\\x20a"],
];

const plainNames: readonly (readonly [string, string])[] = [
  ["spaces and quotes", "a \"b\" 'c' $(d) ; e"],
  ["other scripts", "größe-磁盘"],
  ["an at sign", "user@host"],
  ["dots in front", "...a"],
];

/** Created, listed, attached, used and detached. */
async function livesUnder(label: string, { subject, cluster }: World): Promise<void> {
  // Where names get a prefix, a space is no longer in front.
  const created = await cluster.createVdi(label, { size: "8M" });
  const listed = escapeName(unescapeName(created));
  expect(await readText(subject, "vdi/list")).toContain(` ${listed} `);
  await attach(subject, listed);
  expect(await subject.list("volume")).toEqual([listed]);
  const path = `volume/${listed}`;
  expect(await writePart(subject, path, 0, pattern(100, 1))).toBe(100);
  expect(sameContent(await readPart(subject, path, 0, 100), pattern(100, 1))).toBe(true);
  expect(await readText(subject, "vdi/mount")).toContain(`\n  ${listed}  8388608 bytes`);
  await detach(subject, listed);
  expect(await subject.list("volume")).toEqual([]);
}

export const nameGroups: readonly CaseGroup[] = [
  {
    // [S-17]
    about: "a VDI whose name has",
    cases: [...escapedNames, ...plainNames].map(([what, label]) => ({
      name: `${what} is listed safely and attached by what is listed`,
      run: (world: World) => livesUnder(label, world),
    })),
  },
  {
    about: "a name",
    cases: [
      {
        name: "may also be written raw",
        run: async ({ subject, cluster }) => {
          const listed = await cluster.createVdi("raw\\x2fname", { size: "8M" });
          await attach(subject, `  ${listed.replace("\\x2f", "/")}\t`);
          expect(await subject.list("volume")).toEqual([listed]);
          await detach(subject, listed.replace("\\x2f", "/"));
        },
      },

      {
        name: "is only a name, whatever a shell would make of it",
        run: async ({ subject }) => {
          for (const name of ["x; touch /tmp/pwned;", "$(id)", "`id`", "../../etc/passwd", "*"]) {
            await expectFailure(subject, attach(subject, name), "not_found");
          }
          expect(await subject.list("volume")).toEqual([]);
        },
      },

      {
        name: "is refused when a backslash begins no escape",
        run: async ({ subject }) => {
          for (const name of ["a\\b", "a\\x2", "a\\x00"]) {
            await expectFailure(subject, attach(subject, name), "invalid");
          }
          expect(await readText(subject, "vdi/mount")).toContain("write \\x5c for a backslash");
        },
      },
    ],
  },
];
