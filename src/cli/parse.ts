import type { Redundancy } from "../app/verbs/redundancy.ts";
import { type Address, defaultSheepPort, parseAddress } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import { sizeBytesOf } from "../base/size.ts";
import { UsageError } from "./usage-error.ts";

const defaultSheep: Address = { host: "127.0.0.1", port: defaultSheepPort };

/**
 * The sheep to talk to: the option's, else `SHEEPFS_SHEEP`'s, else the one on this machine.
 * @param texts each HOST:PORT[,HOST:PORT]...
 * @throws UsageError naming the address
 */
export function parseGateways(
  texts: readonly string[],
  environment: string | undefined,
): Address[] {
  if (texts.length > 0) return addressList(texts.join(","), "--sheep");
  if (environment !== undefined && environment !== "") {
    return addressList(environment, "SHEEPFS_SHEEP");
  }
  return [defaultSheep];
}

/** HOST:PORT[,HOST:PORT]... @throws UsageError naming the address */
export function addressList(text: string, source: string): Address[] {
  return text.split(",").map((one) => {
    if (one === "") throw new UsageError(`${source}: empty address in '${text}'`);
    return usage(source, () => parseAddress(one, defaultSheepPort));
  });
}

/** A size as `sizeBytesOf` reads it. @throws UsageError naming the option */
export function parseSize(text: string, option: string): number {
  const bytes = sizeBytesOf(text);
  if (bytes !== null) return bytes;
  if (/^[0-9]+([KMGTP]?)(i?B)?$/i.test(text.trim()) && /[1-9]/.test(text)) {
    throw new UsageError(
      `${option}: '${text}' is more than sheepfs can tell apart; ${Number.MAX_SAFE_INTEGER} bytes, ` +
        "one less than 8P, is the most",
    );
  }
  throw new UsageError(
    `${option}: '${text}' is no size; write bytes or a number with K, M, G, T or P, like 10G`,
  );
}

/** The same, and 0. */
export function parseOffset(text: string, option: string): number {
  return /^0+[KMGTP]?(?:i?B)?$/i.test(text.trim()) ? 0 : parseSize(text, option);
}

const objectBytesLeast = 2 ** 20;
const objectBytesMost = 2 ** 30;

/** A size that the objects of a VDI can have. */
export function parseObjectSize(text: string, option: string): number {
  const bytes = parseSize(text, option);
  if (!Number.isInteger(Math.log2(bytes)) || bytes < objectBytesLeast || bytes > objectBytesMost) {
    throw new UsageError(`${option}: '${text}' is no power of two from 1M to 1G, like 8M`);
  }
  return bytes;
}

/** A whole number in a range. */
export function parseCount(
  text: string,
  option: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= bounds.min && value <= bounds.max)) {
    throw new UsageError(
      `${option}: '${text}' is not a number from ${bounds.min} to ${bounds.max}`,
    );
  }
  return value;
}

const dataStripsKnown: readonly number[] = [2, 4, 8, 16];

/** `3` copies, or `4:2` strips of data and parity. */
export function parseRedundancy(text: string, option: string): Redundancy {
  if (!text.includes(":")) return { copies: parseCount(text, option, { min: 1, max: 31 }) };
  const [data, parity] = text.split(":").map(Number);
  const isCode = data !== undefined && dataStripsKnown.includes(data) && parity !== undefined;
  if (/^[0-9]+:[0-9]+$/.test(text) && isCode && parity >= 1 && parity <= 15) {
    return { dataStrips: data, parityStrips: parity };
  }
  const complaint = `${option}: '${text}' is no erasure code; write 2, 4, 8 or 16 data strips, a colon`;
  throw new UsageError(`${complaint} and 1 to 15 parity strips, like 4:2`);
}

/** Runs a parser of values, so that its complaint counts as a mistake in the command line. */
export function usage<T>(source: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SheepfsError && error.code === "invalid") {
      throw new UsageError(`${source}: ${error.message}`);
    }
    throw error;
  }
}
