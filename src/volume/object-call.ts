import type { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { ObjectRequest, ObjectStore } from "./ports.ts";

/** What is asked of one object, off the hot path. */
export interface ObjectCall {
  readonly kind: ObjectRequest["kind"];
  readonly vid: number;
  readonly index: number;
  readonly cowVid: number;
  readonly copies: number;
  readonly copyPolicy: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * One object request as a promise.
 * @param resolved see `ObjectRequest.resolved`
 */
export function callObject(
  store: ObjectStore,
  call: ObjectCall,
  scope: Scope,
  resolved: () => void,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    store.submit({
      ...call,
      length: call.bytes.length,
      buffer: call.bytes,
      at: 0,
      scope,
      lend: () => false,
      done: (error: SheepfsError | null) => {
        if (error === null) resolve();
        else reject(error);
      },
      resolved,
    });
  });
}
