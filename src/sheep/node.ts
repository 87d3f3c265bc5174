import type { Address } from "../base/address.ts";
import { NodeRecord, parseIp } from "../wire/node.ts";

const vnodes = 128;

/** The one node of the cluster, under the address at which the client has reached it. */
export function nodeRecord(local: Address, spaceBytes: number): Uint8Array<ArrayBuffer> {
  const address = parseIp(local.host) ?? new Uint8Array(16);
  const zone = new DataView(address.buffer, address.byteOffset, 16).getUint32(12, true);
  return NodeRecord.encode({ address, port: local.port, vnodes, zone, spaceBytes });
}

/** What a lock names its owner by. */
export function nodeIdentity(local: Address): Uint8Array {
  const { address, vnodes: end } = NodeRecord.offsets;
  return nodeRecord(local, 0).subarray(address, end);
}

/** An IPv4 address that came in over an IPv6 socket is shown as what it is. */
export function plainHost(host: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1];
  return mapped ?? host;
}

export const vnodesOfNode = vnodes;
