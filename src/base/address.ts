import { SheepfsError } from "./errors.ts";

/** Where a sheep listens. `host` is a name or an IP address without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export const defaultSheepPort = 7000;

/**
 * Parses `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
 * @throws invalid naming the text
 */
export function parseAddress(text: string, defaultPort: number | null = null): Address {
  const { host, portText } = splitAddress(text);
  if (!isHost(host)) {
    throw new SheepfsError("invalid", `address '${text}' has no valid host; write HOST:PORT`);
  }
  if (portText === null) {
    if (defaultPort === null) {
      throw new SheepfsError(
        "invalid",
        `address '${text}' has no port; write ${formatAddress({ host, port: defaultSheepPort })}`,
      );
    }
    return { host, port: defaultPort };
  }
  const port = /^[0-9]{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65535) {
    throw new SheepfsError("invalid", `address '${text}': port '${portText}' is not 1 to 65535`);
  }
  return { host, port };
}

function isHost(text: string): boolean {
  if (text.length > 255) return false;
  if (text.includes(":")) {
    const [address, zone = "none"] = text.split("%");
    return URL.canParse(`http://[${address}]/`) && /^[A-Za-z0-9._-]+$/.test(zone);
  }
  return /^[A-Za-z0-9._-]+$/.test(text);
}

function splitAddress(text: string): { host: string; portText: string | null } {
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    const rest = end < 0 ? "" : text.slice(end + 1);
    if (end < 0 || (rest !== "" && !rest.startsWith(":"))) return { host: "", portText: null };
    return { host: text.slice(1, end), portText: rest === "" ? null : rest.slice(1) };
  }
  const colon = text.lastIndexOf(":");
  // More than one colon without brackets is an IPv6 address with no port.
  if (colon < 0 || text.indexOf(":") !== colon) return { host: text, portText: null };
  return { host: text.slice(0, colon), portText: text.slice(colon + 1) };
}

/** The form that `parseAddress` takes back. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
