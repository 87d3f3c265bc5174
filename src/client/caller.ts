import type { Address } from "../base/address.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepReply, SheepRequest } from "../wire/header.ts";

/** Control requests to a cluster: all that `cluster/` needs of the client. */
export interface SheepCaller {
  /**
   * Sends one request to the gateway in use and waits for its answer. Transient results and lost
   * connections are retried until the scope ends; a request whose replay rule is "once" is never
   * sent again when it may have been executed: it fails with `inDoubt`, and whoever sent it looks
   * whether it happened.
   * @param expected results other than success that are returned instead of thrown
   * @throws whatever the result's row in wire/result.ts says | unavailable | timed_out | cancelled
   */
  call(request: SheepRequest, scope: Scope, expected?: readonly number[]): Promise<SheepReply>;
  /** The same to one certain sheep, on a connection of its own that ends with the answer. */
  callAt(
    address: Address,
    request: SheepRequest,
    scope: Scope,
    expected?: readonly number[],
  ): Promise<SheepReply>;
}
