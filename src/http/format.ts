import { SheepfsError } from "../base/errors.ts";
import type { HttpResponse } from "./exchange.ts";

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  206: "Partial Content",
  207: "Multi-Status",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  423: "Locked",
  424: "Failed Dependency",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  507: "Insufficient Storage",
};

/** What would end a field or the head, or cannot be sent as one byte. */
const forbidden = /[^\t\x20-\x7e\x80-\xff]/;

/** What the server adds to a response. */
export interface HeadExtras {
  readonly date: string;
  readonly server: string;
  /** Null for a status that has no body by definition. */
  readonly contentBytes: number | null;
  readonly keepAlive: boolean;
}

/**
 * The head of a response, latin1.
 * @throws internal for a field that would break out of its line
 */
export function formatHead(response: HttpResponse, extras: HeadExtras): string {
  const { status, headers } = response;
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\nDate: ${extras.date}\r\nServer: ${extras.server}\r\n`;
  for (const [name, value] of headers) {
    if (forbidden.test(value)) {
      throw new SheepfsError("internal", `the value of the header field ${name} cannot be sent`);
    }
    text += `${name}: ${value}\r\n`;
  }
  if (extras.contentBytes !== null) text += `Content-Length: ${extras.contentBytes}\r\n`;
  return extras.keepAlive ? `${text}\r\n` : `${text}Connection: close\r\n\r\n`;
}

/** Whether a status has no body, and no length of one (RFC 9110 §6.4.1, §8.6). */
export function isBodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
