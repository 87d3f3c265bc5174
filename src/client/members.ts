import { type Address, formatAddress } from "../base/address.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope } from "../base/scope.ts";
import { clusterInfoNodesMax } from "../wire/cluster.ts";
import { clusterRequest, NodeReplyHeader } from "../wire/header.ts";
import { decodeNodes, NodeRecord } from "../wire/node.ts";
import type { SheepCaller } from "./caller.ts";

// The whole list is offered room for: a sheep copies it without looking (protocol §1).
const request = clusterRequest(
  "getNodeList",
  {},
  { receiveBytes: clusterInfoNodesMax * NodeRecord.size },
);

/** Remembers which sheep were members of the cluster, to notice when one has left it. */
export class Members {
  readonly #caller: SheepCaller;
  readonly #clock: Clock;
  readonly #seen = new Set<string>();
  #timer: Timer | null = null;

  constructor(caller: SheepCaller, clock: Clock) {
    this.#caller = caller;
    this.#clock = clock;
  }

  /** Looks at the members soon: not at once, since a command that ends soon does not need them. */
  lookSoon(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(limits.membersLookMs, () => {
      this.#timer = null;
      // Without an answer no member is known, and nothing is concluded from that.
      this.#look().catch(() => {});
    });
  }

  /** Whether this sheep was a member and is none any more. */
  async left(address: Address): Promise<boolean> {
    const title = formatAddress(address);
    if (!this.#seen.has(title)) return false;
    const now = await this.#look();
    return !now.has(title);
  }

  destroy(): void {
    this.#timer?.cancel();
  }

  async #look(): Promise<ReadonlySet<string>> {
    const scope = deadlineScope(this.#clock, limits.signTimeoutMs);
    const { header, data } = await this.#caller.call(request, scope);
    const count = header.getUint32(NodeReplyHeader.offsets.nodesCount, true);
    const now = new Set(decodeNodes(data, count).map(formatAddress));
    for (const title of now) this.#seen.add(title);
    return now;
  }
}
