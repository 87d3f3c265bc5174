import { SheepfsError } from "../base/errors.ts";
import type { HttpResponse, ResponseHeaders } from "./exchange.ts";

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
  428: "Precondition Required",
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
  /** Null for a status that has no body by definition. */
  readonly contentBytes: number | null;
  readonly keepAlive: boolean;
}

/** Makes the heads of responses, of which those of one second and one file begin alike. */
export class HeadFormat {
  readonly #server: string;
  /** What the last one began with, and what that was made of. */
  #begin = "";
  #status = 0;
  #date = "";
  #headers: ResponseHeaders = [];

  /** @param server what the `Server` field says */
  constructor(server: string) {
    this.#server = server;
  }

  /**
   * The head of a response, latin1.
   * @throws internal for a field that would break out of its line
   */
  format(response: HttpResponse, { date, contentBytes, keepAlive }: HeadExtras): string {
    const { status, headers, ownHeaders } = response;
    if (headers !== this.#headers || status !== this.#status || date !== this.#date) {
      const first = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n`;
      // Joined it is one string; added up it would be parts, put together for each answer anew.
      this.#begin = [first, `Date: ${date}\r\nServer: ${this.#server}\r\n`, lines(headers)].join(
        "",
      );
      this.#headers = headers;
      this.#status = status;
      this.#date = date;
    }
    const own = ownHeaders === undefined ? "" : lines(ownHeaders);
    const length = contentBytes === null ? "" : `Content-Length: ${contentBytes}\r\n`;
    return `${this.#begin}${own}${length}${keepAlive ? "" : "Connection: close\r\n"}\r\n`;
  }
}

function lines(headers: ResponseHeaders): string {
  let text = "";
  for (const [name, value] of headers) {
    if (forbidden.test(value)) {
      throw new SheepfsError("internal", `the value of the header field ${name} cannot be sent`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** Whether a status has no body, and no length of one (RFC 9110 §6.4.1, §8.6). */
export function isBodiless(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
