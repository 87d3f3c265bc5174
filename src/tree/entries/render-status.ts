import { type Address, formatAddress } from "../../base/address.ts";
import { localTime } from "./time.ts";

/** How it stands with the cluster, as far as is known without asking anybody. */
export interface ConnectionStatus {
  /** The sheep in use, or the one that is tried first. */
  readonly gateway: Address;
  readonly ready: boolean;
  /** It owes answers and gives no sign of life. */
  readonly silent: boolean;
  readonly named: readonly Address[];
  /** Members that are used when none of those answers. */
  readonly spares: readonly Address[];
  readonly members: { readonly epoch: number; readonly nodes: readonly Address[] } | null;
  /** What requests wait for, the oldest first. */
  readonly waits: readonly {
    readonly reason: string;
    readonly requests: number;
    readonly lastsMs: number;
  }[];
  readonly waitingVids: ReadonlySet<number>;
  readonly requests: number;
  readonly bytesInflight: number;
}

interface ListedVolume {
  readonly title: string;
  readonly volume: {
    readonly header: { readonly vid: number };
    readonly failure: { readonly message: string } | null;
  };
}

/** The text of cluster/status: a line for each fact, one more for each thing that is waited for. */
export function renderStatus(
  status: ConnectionStatus,
  volumes: readonly ListedVolume[],
  wallMs: number,
): string {
  const troubles = volumes.flatMap(({ title, volume: { header, failure } }) => {
    if (failure !== null) return [`${title}: ${failure.message}`];
    return status.waitingVids.has(header.vid) ? [`${title}: requests wait`] : [];
  });
  const { requests, bytesInflight } = status;
  return [
    `gateway: ${formatAddress(status.gateway)}, ${stateOf(status)}`,
    `other gateways: ${othersOf(status)}`,
    `members: ${membersOf(status)}`,
    `requests: ${requests} under way, ${bytesInflight} bytes in flight`,
    ...waitingOf(status, wallMs),
    ...(troubles.length === 0 ? ["none"] : troubles).map((text) => `volumes in trouble: ${text}`),
    "",
  ].join("\n");
}

function stateOf({ ready, silent, requests }: ConnectionStatus): string {
  if (ready) return silent ? "silent" : "in use";
  return requests > 0 ? "looked for" : "not connected, as nothing is asked";
}

function othersOf({ gateway, named, spares }: ConnectionStatus): string {
  const inUse = formatAddress(gateway);
  const others = [
    ...named.map((address) => `${formatAddress(address)} (named)`),
    ...spares.map((address) => `${formatAddress(address)} (learned)`),
  ].filter((text) => !text.startsWith(`${inUse} `));
  return others.length === 0 ? "none" : others.join(", ");
}

function membersOf({ members }: ConnectionStatus): string {
  if (members === null) return "not known yet";
  const { epoch, nodes } = members;
  return `${nodes.length} in epoch ${epoch}: ${nodes.map(formatAddress).join(", ")}`;
}

function waitingOf({ waits }: ConnectionStatus, wallMs: number): string[] {
  if (waits.length === 0) return ["waiting: for nothing"];
  return waits.map(({ reason, requests, lastsMs }) => {
    const since = localTime(wallMs - lastsMs);
    const count = requests === 1 ? "1 request" : `${requests} requests`;
    return `waiting: ${count} since ${since} (${(lastsMs / 1000).toFixed(1)} s): ${reason}`;
  });
}
