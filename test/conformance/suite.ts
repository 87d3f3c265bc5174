import { describe, test } from "bun:test";
import { configGroups } from "./cases-config.ts";
import { controlGroups } from "./cases-control.ts";
import { factGroups } from "./cases-facts.ts";
import { lifeGroups } from "./cases-life.ts";
import { nameGroups } from "./cases-names.ts";
import { textGroups } from "./cases-texts.ts";
import { volumeGroups } from "./cases-volumes.ts";
import type { SubjectKind } from "./subject.ts";
import { runCase } from "./world.ts";

/** For a machine that has other things to do as well. */
const caseDeadlineMs = 30_000;

const groups = [
  ...[...textGroups, ...controlGroups, ...volumeGroups],
  ...[...nameGroups, ...configGroups, ...lifeGroups, ...factGroups],
];

/** What the tree promises, whichever way somebody comes to it. */
export function conformanceSuite(kind: SubjectKind): void {
  if (kind.cannotRun !== null) console.log(`skipped: ${kind.name}: ${kind.cannotRun}`);
  for (const { about, cases } of groups) {
    describe.skipIf(kind.cannotRun !== null)(`${kind.name}: ${about}`, () => {
      for (const one of cases) {
        const reason = kind.cannot?.[one.name];
        if (reason === undefined) test(one.name, () => runCase(kind, one), caseDeadlineMs);
        else console.log(`left out: ${kind.name}: ${one.name}: ${reason}`);
      }
    });
  }
  const names = new Set(groups.flatMap(({ cases }) => cases.map(({ name }) => name)));
  const unknown = Object.keys(kind.cannot ?? {}).filter((name) => !names.has(name));
  if (unknown.length > 0) throw new Error(`${kind.name} cannot do what is no case: ${unknown}`);
}
