import { OtherClient } from "../mount/other-client.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import type { Subject, SubjectKind, SubjectOptions } from "./subject.ts";

/** What a case works with. */
export interface World {
  readonly cluster: TestCluster;
  readonly options: SubjectOptions;
  readonly subject: Subject;
  /** Somebody else at the same cluster. */
  readonly other: OtherClient;
}

/** One promise of the tree. */
export interface ConformanceCase {
  readonly name: string;
  /** What the subject is started with, where that is not nothing. */
  readonly setup?: (cluster: TestCluster) => Promise<Partial<SubjectOptions>>;
  readonly run: (world: World) => Promise<void>;
}

export interface CaseGroup {
  readonly about: string;
  readonly cases: readonly ConformanceCase[];
}

/** Runs a case in a world of its own. */
export async function runCase(kind: SubjectKind, { setup, run }: ConformanceCase): Promise<void> {
  await using cluster = await startCluster();
  const wanted = setup === undefined ? {} : await setup(cluster);
  const options: SubjectOptions = { pageCache: false, readOnly: false, attach: [], ...wanted };
  await using subject = await kind.start(cluster, options);
  await using other = await OtherClient.connect(cluster.address);
  await run({ cluster, options, subject, other });
}
