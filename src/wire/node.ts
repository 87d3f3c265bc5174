import { SheepfsError } from "../base/errors.ts";
import { bytes, struct, u16, u32, u64 } from "../base/struct.ts";

/** One member of a cluster; the first 24 bytes are a daemon's memory. Source: protocol §11.1 */
export const NodeRecord = struct(
  {
    address: bytes(24, 16),
    port: u16(40),
    ioAddress: bytes(42, 16),
    ioPort: u16(58),
    vnodes: u16(64),
    zone: u32(68),
    spaceBytes: u64(72),
  },
  { size: 80 },
);

export interface SheepNode {
  /** As text: IPv4 dotted, or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly vnodes: number;
  readonly zone: number;
  readonly spaceBytes: number;
}

export function decodeNode(view: DataView, at: number): SheepNode {
  const { address, port, vnodes, zone, spaceBytes } = NodeRecord.read(view, at);
  return { host: formatIp(address), port, vnodes, zone, spaceBytes };
}

/**
 * `count` records; builds with disk-vnodes have longer ones, so the stride follows from the length.
 * @throws corrupt when the records do not fit the data
 */
export function decodeNodes(data: Uint8Array, count: number): SheepNode[] {
  if (count === 0) return [];
  const stride = data.length / count;
  if (!Number.isInteger(stride) || stride < NodeRecord.size) {
    throw new SheepfsError("corrupt", `${count} nodes in ${data.length} bytes`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, index) => decodeNode(view, index * stride));
}

/**
 * IPv4 lies in the last 4 of the 16 bytes, behind zeros. IPv6 is written as inet_ntop does, which
 * ends addresses that are mapped from IPv4 in dots: it is what `dog` prints.
 */
export function formatIp(address: Uint8Array): string {
  const dotted = address.subarray(12).join(".");
  const isIpv4 = address[12] !== 0 && address.subarray(0, 12).every((byte) => byte === 0);
  if (isIpv4) return dotted;
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2));
  if (groups.slice(0, 5).every((group) => group === 0)) {
    if (groups[5] === 0xffff) return `::ffff:${dotted}`;
    if (groups[5] === 0 && groups[6] !== 0) return `::${dotted}`;
  }
  return compressed(groups);
}

/** The longest run of zero groups, two at least, becomes `::`. */
function compressed(groups: readonly number[]): string {
  let best = { from: 0, length: 1 };
  for (let from = 0; from < groups.length; from += 1) {
    let length = 0;
    while (groups[from + length] === 0) length += 1;
    if (length > best.length) best = { from, length };
  }
  const text = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(":");
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.from))}::${text(groups.slice(best.from + best.length))}`;
}

/** The 16 bytes of an IPv4 address; null for text that is none. */
export function parseIpv4(text: string): Uint8Array | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return null;
  const address = new Uint8Array(16);
  address.set(parts, 12);
  return address;
}

/** The 16 bytes of an IPv4 or IPv6 address; null for text that is neither. */
export function parseIp(text: string): Uint8Array | null {
  const v4 = parseIpv4(text);
  if (v4 !== null) return v4;
  const halves = text.split("%")[0]?.split("::") ?? [];
  const [head = [], tail = []] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - tail.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return null;
  const groups = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  if (groups.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return null;
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  groups.forEach((group, index) => {
    view.setUint16(index * 2, Number.parseInt(group, 16));
  });
  return address;
}
