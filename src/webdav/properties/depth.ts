import { SheepfsError } from "../../base/errors.ts";
import type { RequestHeaders } from "../../http/exchange.ts";

export type Depth = "0" | "1" | "infinity";

/**
 * The `Depth` of a request (RFC 4918 §10.2), which is `infinity` unless it says otherwise.
 * @throws invalid for one that the method does not have
 */
export function depthOf(headers: RequestHeaders, allowed: readonly Depth[]): Depth {
  const field = headers.get("depth")?.trim().toLowerCase() ?? "infinity";
  const depth = allowed.find((one) => one === field);
  if (depth !== undefined) return depth;
  throw new SheepfsError(
    "invalid",
    `Depth cannot be '${field.slice(0, 40)}' here; use ${allowed.join(" or ")}`,
  );
}
