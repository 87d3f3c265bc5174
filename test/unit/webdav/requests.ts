import { CancelScope } from "../../../src/base/scope.ts";
import type { HttpRequest, HttpResponse } from "../../../src/http/exchange.ts";

/** A request as the server hands it on; fields in lower case. */
export function requestOf(
  method: string,
  fields: Readonly<Record<string, string>> = {},
  rest: Partial<HttpRequest> = {},
): HttpRequest {
  return {
    method,
    target: "/",
    headers: { get: (name) => fields[name] ?? null },
    body: {
      announcedBytes: 0,
      failure: null,
      next: () => null,
      take: () => -1,
      more: async () => {},
    },
    secure: false,
    peer: "192.0.2.7",
    scope: new CancelScope(Number.POSITIVE_INFINITY),
    ...rest,
  };
}

export function fieldOf(response: HttpResponse | null, name: string): string | null {
  const wanted = name.toLowerCase();
  const found = response?.headers.filter(([one]) => one.toLowerCase() === wanted) ?? [];
  if (found.length > 1) throw new Error(`${name} is there ${found.length} times`);
  return found[0]?.[1] ?? null;
}

/** The body of an answer that is not streamed. */
export function textOf(response: HttpResponse | null): string {
  return typeof response?.body === "string" ? response.body : "";
}
