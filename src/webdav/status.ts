import { asSheepfsError, type ErrorCode } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { HttpResponse, ResponseHeaders } from "../http/exchange.ts";
import { refusal } from "./refusal.ts";

/** What a client is answered when an operation fails; the only place where this is decided. */
export const statusOf: Record<ErrorCode, number> = {
  not_found: 404,
  exists: 409,
  not_directory: 409,
  is_directory: 405,
  not_empty: 409,
  invalid: 400,
  name_too_long: 400,
  range: 416,
  read_only: 403,
  denied: 403,
  busy: 409,
  no_space: 507,
  too_large: 413,
  not_supported: 403,
  // Whoever has gone away hears nothing; a server that stops has no time for more.
  cancelled: 503,
  overload: 503,
  not_ready: 503,
  unavailable: 503,
  timed_out: 504,
  version: 502,
  corrupt: 502,
  stale: 404,
  internal: 500,
};

/** Seconds after which it is worth to ask again. */
const retryAfter: ResponseHeaders = [["Retry-After", "2"]];

/** What was thrown, as an answer: the status of its code, and its message as the body. */
export function errorResponse(thrown: unknown, log: Logger): HttpResponse {
  const error = asSheepfsError(thrown);
  if (error.code === "internal") log.error(`webdav: ${error.message}`, error.cause ?? error);
  const status = statusOf[error.code];
  return refusal(status, error.message, status === 503 ? retryAfter : []);
}
