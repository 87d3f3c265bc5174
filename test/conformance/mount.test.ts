import { mountKind } from "./mount-subject.ts";
import { conformanceSuite } from "./suite.ts";

conformanceSuite(mountKind);
