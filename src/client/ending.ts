import { formatAddress } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import { resultError } from "../wire/result.ts";
import type { Flight } from "./flight.ts";
import type { GatewayPool } from "./pool.ts";

/** Why a flight ends that has no answer: it was cancelled, or its time is over. */
export function endOf(flight: Flight, pool: GatewayPool, inDoubt: boolean): SheepfsError {
  const options = { inDoubt };
  if (flight.scope.cancelled) return new SheepfsError("cancelled", "interrupted", options);
  // It was answered before, with a result that may pass.
  if (flight.result !== 0 && (flight.state === "paused" || flight.state === "waiting")) {
    const { code, message } = resultError(flight.result);
    return new SheepfsError(code, `the sheep at ${pool.title}: ${message}`, options);
  }
  if (flight.state === "waiting" && !pool.ready) {
    const why = pool.lastWhy?.message ?? `no sheep answers at ${pool.title}`;
    return new SheepfsError("unavailable", why, options);
  }
  const where = flight.connection === null ? pool.title : formatAddress(flight.connection.address);
  return new SheepfsError("timed_out", `the sheep at ${where} did not answer in time`, options);
}

/** What a request ends with when no gateway can take it. */
export function unusable(why: SheepfsError): SheepfsError {
  // The sheep's address is wrong, not the request.
  if (why.code !== "invalid") return why;
  return new SheepfsError("unavailable", why.message, { cause: why });
}

/** What a request ends with when the client is closed. */
export function closedError(flight: Flight): SheepfsError {
  const sent = flight.state === "sent" || flight.suspects !== null;
  const inDoubt = sent && (flight.changes || flight.rule === "once");
  return new SheepfsError("cancelled", "the client of the cluster was closed", { inDoubt });
}

/** It may have been executed, or be yet. */
export function doubted({ code, message }: SheepfsError): SheepfsError {
  return new SheepfsError(code, message, { inDoubt: true });
}
