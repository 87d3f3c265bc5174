import type { Address } from "../../base/address.ts";
import { limits } from "../../base/limits.ts";
import { silentLogger } from "../../base/log.ts";
import { deadlineScope, type Scope } from "../../base/scope.ts";
import type { SheepCaller } from "../../client/caller.ts";
import { realClock } from "../../sys/clock.ts";
import { connect } from "../connect.ts";

/** Connects, does the work of one command within the time that an operation has, and disconnects. */
export async function withCluster<T>(
  gateways: readonly Address[],
  work: (caller: SheepCaller, scope: Scope) => Promise<T>,
): Promise<T> {
  await using connection = connect({
    ...{ gateways, objectCache: false, log: silentLogger },
    wants: "much",
  });
  return await work(connection.client, deadlineScope(realClock, limits.operationTimeoutMs));
}
