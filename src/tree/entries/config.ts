import { type Address, formatAddress, parseAddress } from "../../base/address.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Scope } from "../../base/scope.ts";
import { ControlNode } from "../control.ts";
import type { EntryBase } from "./entry.ts";

/** What can be set while sheepfs runs; the client of the cluster is one. */
export interface ConfigPort {
  /** The sheep in use. */
  readonly gateway: Address;
  /** All that may be used. */
  readonly gateways: readonly Address[];
  /**
   * Uses other sheep from now on.
   * @throws whatever says that they are no good; the old ones are kept then
   */
  moveTo(gateways: readonly Address[], scope: Scope): Promise<void>;
  /** The object cache flag on requests. */
  objectCache: boolean;
}

/** A switch that is kept here and read by those whom it concerns. */
export interface Switch {
  on: boolean;
}

const decoder = new TextDecoder();

/** config/sheep_info: `ip:port`, a name or `[v6]:port`; several with commas, the one in use first. */
export function sheepInfoControl(
  config: ConfigPort,
  moved: () => void,
  base: EntryBase,
): ControlNode {
  return new ControlNode({
    ...base,
    id: base.ids.next(),
    path: "config/sheep_info",
    text: () => `${gatewaysText(config)}\n`,
    act: async (line, scope) => {
      const gateways = parseGateways(decoder.decode(line));
      await config.moveTo(gateways, scope);
      moved();
      return `sheep: ${gatewaysText(config)}`;
    },
  });
}

export function objectCacheControl(config: ConfigPort, base: EntryBase): ControlNode {
  return switchControl("config/object_cache", base, {
    get: () => config.objectCache,
    set: (on) => {
      config.objectCache = on;
    },
  });
}

/** config/page_cache: concerns volumes that are opened from then on. */
export function pageCacheControl(pageCache: Switch, base: EntryBase): ControlNode {
  return switchControl("config/page_cache", base, {
    get: () => pageCache.on,
    set: (on) => {
      pageCache.on = on;
    },
  });
}

interface SwitchAccess {
  readonly get: () => boolean;
  readonly set: (on: boolean) => void;
}

function switchControl(path: string, base: EntryBase, access: SwitchAccess): ControlNode {
  return new ControlNode({
    ...base,
    id: base.ids.next(),
    path,
    text: () => (access.get() ? "1\n" : "0\n"),
    act: async (line) => {
      const text = decoder.decode(line);
      if (text !== "0" && text !== "1") {
        throw new SheepfsError("invalid", `${path} is 0 or 1, not '${text}'`);
      }
      access.set(text === "1");
      return text === "1" ? "on" : "off";
    },
  });
}

function gatewaysText({ gateway, gateways }: ConfigPort): string {
  const inUse = formatAddress(gateway);
  const others = gateways.map(formatAddress).filter((text) => text !== inUse);
  return [inUse, ...others].join(",");
}

function parseGateways(text: string): Address[] {
  const parts = text.split(",").map((part) => part.trim());
  const { gatewaysNamedMax } = limits;
  if (parts.length > gatewaysNamedMax) {
    throw new SheepfsError("invalid", `${parts.length} sheep; ${gatewaysNamedMax} are the most`);
  }
  return parts.map((part) => parseAddress(part));
}
