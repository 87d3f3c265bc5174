import type { Address } from "../base/address.ts";
import { type ErrorCode, SheepfsError } from "../base/errors.ts";
import { results } from "../wire/result.ts";

/** A request that has come in whole. */
export interface Request {
  /** Its 48 bytes. */
  readonly header: DataView;
  readonly flags: number;
  /** Of the data sent with it, or of the buffer that the client offers for the answer. */
  readonly dataLength: number;
  /** What was sent with it; empty when nothing was. */
  readonly data: Uint8Array;
  /** Under which of our addresses the client has reached us. */
  readonly local: Address;
}

export interface Reply {
  readonly result: number;
  /** What follows the header; never longer than what the client offers. */
  readonly data: Uint8Array | null;
  /** 48 bytes with the fields of the operation, or null when it has none. */
  readonly header: Uint8Array | null;
}

export const success: Reply = { result: results.success.code, data: null, header: null };

/** An answer that is only a result. */
export function refusal(result: { readonly code: number }): Reply {
  return { result: result.code, data: null, header: null };
}

export function dataReply(data: Uint8Array): Reply {
  return { result: results.success.code, data, header: null };
}

export function headerReply(header: Uint8Array, result = results.success.code): Reply {
  return { result, data: null, header };
}

/** What a failure of ours is to a client. */
const resultOfError: Partial<Record<ErrorCode, { readonly code: number }>> = {
  no_space: results.noSpace,
  corrupt: results.io,
  overload: results.noMemory,
  invalid: results.invalidParameters,
  unavailable: results.shuttingDown,
};

/** @returns null for a failure that is a bug of ours */
export function failureReply(thrown: unknown): Reply | null {
  if (!(thrown instanceof SheepfsError)) return null;
  const result = resultOfError[thrown.code];
  return result === undefined ? null : refusal(result);
}
