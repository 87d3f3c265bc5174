import { describe } from "bun:test";
import { configCases } from "./cases-config.ts";
import { controlCases } from "./cases-control.ts";
import { nameCases } from "./cases-names.ts";
import { textCases } from "./cases-texts.ts";
import { volumeCases } from "./cases-volumes.ts";
import type { SubjectKind } from "./subject.ts";

/** What the tree promises, whichever way somebody comes to it. */
export function conformanceSuite(kind: SubjectKind): void {
  if (kind.cannotRun !== null) console.log(`skipped: ${kind.name}: ${kind.cannotRun}`);
  describe.skipIf(kind.cannotRun !== null)(`${kind.name}:`, () => {
    textCases(kind);
    controlCases(kind);
    volumeCases(kind);
    nameCases(kind);
    configCases(kind);
  });
}
