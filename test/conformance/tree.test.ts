import { conformanceSuite } from "./suite.ts";
import { treeKind } from "./tree-subject.ts";

conformanceSuite(treeKind);
