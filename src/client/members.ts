import { type Address, formatAddress } from "../base/address.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { type NodeList, nodeListRequest, readNodeList } from "../wire/cluster.ts";
import { clusterRequest } from "../wire/header.ts";
import { RecoveryState } from "../wire/vdi.ts";
import type { SheepCaller } from "./caller.ts";

const recoveryRequest = clusterRequest("statRecovery", {}, { receiveBytes: RecoveryState.size });

/**
 * Remembers which sheep were members of the cluster, to notice when one has left it, and to know
 * whom else to turn to.
 */
export class Members {
  readonly #caller: SheepCaller;
  readonly #clock: Clock;
  /** The newest epoch at which a sheep was a member. */
  readonly #seen = new Map<string, number>();
  readonly #heard: (list: NodeList) => void;
  #timer: Timer | null = null;
  #last: NodeList | null = null;

  /** @param heard called with every list */
  constructor(caller: SheepCaller, clock: Clock, heard: (list: NodeList) => void) {
    this.#caller = caller;
    this.#clock = clock;
    this.#heard = heard;
  }

  /** As they were when somebody looked last. */
  get last(): NodeList | null {
    return this.#last;
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

  async #look(): Promise<NodeList> {
    const list = await this.#list(deadlineScope(this.#clock, limits.signTimeoutMs));
    for (const node of list.nodes) {
      const title = formatAddress(node);
      this.#seen.set(title, Math.max(list.epoch, this.#seen.get(title) ?? 0));
    }
    return list;
  }

  async #list(scope: Scope): Promise<NodeList> {
    const list = readNodeList(await this.#caller.call(nodeListRequest, scope));
    this.#last = list;
    this.#heard(list);
    return list;
  }
}
