import { type Address, formatAddress } from "../base/address.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { clusterInfoNodesMax } from "../wire/cluster.ts";
import { clusterRequest, NodeReplyHeader } from "../wire/header.ts";
import { decodeNodes, NodeRecord, type SheepNode } from "../wire/node.ts";
import { RecoveryState } from "../wire/vdi.ts";
import type { SheepCaller } from "./caller.ts";

// The whole list is offered room for: a sheep copies it without looking (protocol §1).
const request = clusterRequest(
  "getNodeList",
  {},
  { receiveBytes: clusterInfoNodesMax * NodeRecord.size },
);

const recoveryRequest = clusterRequest("statRecovery", {}, { receiveBytes: RecoveryState.size });

interface MemberList {
  /** Of the sheep that gave it. */
  readonly epoch: number;
  readonly nodes: readonly SheepNode[];
}

/** Remembers which sheep were members of the cluster, to notice when one has left it. */
export class Members {
  readonly #caller: SheepCaller;
  readonly #clock: Clock;
  /** The newest epoch at which a sheep was a member. */
  readonly #seen = new Map<string, number>();
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

  /**
   * Whether this sheep was a member and is none any more. The others refuse what it still sends
   * because they have a newer epoch, so a list of no newer one says nothing of that, and neither
   * does an empty one: who gave it knows no members.
   */
  async left(address: Address): Promise<boolean> {
    const title = formatAddress(address);
    if (!this.#seen.has(title)) return false;
    const { epoch, nodes } = await this.#look();
    const wasAt = this.#seen.get(title) ?? epoch;
    return nodes.length > 0 && epoch > wasAt;
  }

  /**
   * Whether a member of the cluster has something to recover.
   * @throws whatever keeps one of them from saying so
   */
  async recovering(): Promise<boolean> {
    const scope = deadlineScope(this.#clock, limits.signTimeoutMs);
    const { nodes } = await this.#list(scope);
    const answers = await Promise.all(
      nodes.map(({ host, port }) => this.#caller.callAt({ host, port }, recoveryRequest, scope)),
    );
    return answers.some(({ data }) => data[RecoveryState.offsets.inRecovery] !== 0);
  }

  destroy(): void {
    this.#timer?.cancel();
  }

  async #look(): Promise<MemberList> {
    const list = await this.#list(deadlineScope(this.#clock, limits.signTimeoutMs));
    for (const node of list.nodes) {
      const title = formatAddress(node);
      this.#seen.set(title, Math.max(list.epoch, this.#seen.get(title) ?? 0));
    }
    return list;
  }

  async #list(scope: Scope): Promise<MemberList> {
    const { header, data } = await this.#caller.call(request, scope);
    const { epoch, nodesCount } = NodeReplyHeader.read(header, 0);
    return { epoch, nodes: decodeNodes(data, nodesCount) };
  }
}
