import type { HttpResponse, ResponseHeaders } from "../http/exchange.ts";

/** An answer in words, for what is refused before the tree is asked. */
export function refusal(status: number, text: string, headers: ResponseHeaders = []): HttpResponse {
  return {
    status,
    headers: [
      ["Content-Type", "text/plain; charset=utf-8"],
      ["Cache-Control", "no-store"],
      ["X-Content-Type-Options", "nosniff"],
      ...headers,
    ],
    body: `${text}\n`,
  };
}
