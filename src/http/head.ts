import { limits } from "../base/limits.ts";

/** The head of a request, its syntax and framing checked. */
export interface Head {
  readonly method: string;
  /** Origin form, or `*`; what came in absolute form was taken apart. */
  readonly target: string;
  /** HTTP/1.1 or a later minor; else 1.0. */
  readonly modern: boolean;
  readonly fields: Fields;
  /** The connection is to be kept after the answer. */
  readonly keepAlive: boolean;
  /** The body waits for `100 Continue`. */
  readonly expects: boolean;
  /** Bytes of the body; null when it is chunked. */
  readonly bodyBytes: number | null;
}

/** Why a head is refused; the connection ends with it, since what follows cannot be told apart. */
export interface HeadFault {
  readonly status: 400 | 414 | 417 | 431 | 501 | 505;
  readonly reason: string;
}

export function isFault(head: Head | HeadFault): head is HeadFault {
  return "reason" in head;
}

/** The header fields of one request. */
class Fields {
  readonly #names: string[];
  readonly #values: string[];

  constructor(names: string[] = [], values: string[] = []) {
    this.#names = names;
    this.#values = values;
  }

  get count(): number {
    return this.#names.length;
  }

  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  /** The value, fields of one name joined with ", "; null when there is none. */
  get(name: string): string | null {
    const first = this.#names.indexOf(name);
    if (first < 0) return null;
    let value = this.#values[first] ?? "";
    for (let at = this.#names.indexOf(name, first + 1); at >= 0; ) {
      value += `, ${this.#values[at] ?? ""}`;
      at = this.#names.indexOf(name, at + 1);
    }
    return value;
  }

  countOf(name: string): number {
    let count = 0;
    for (const one of this.#names) if (one === name) count += 1;
    return count;
  }

  /** The same but for the value of a name that is there once; names are shared, and final. */
  withValue(name: string, value: string): Fields {
    const values = this.#values.slice();
    values[this.#names.indexOf(name)] = value;
    return new Fields(this.#names, values);
  }

  /** Puts one value in the place of all there are. */
  replace(name: string, value: string): void {
    for (let at = this.#names.indexOf(name); at >= 0; at = this.#names.indexOf(name)) {
      this.#names.splice(at, 1);
      this.#values.splice(at, 1);
    }
    this.add(name, value);
  }
}

/** Everything but what a head may be made of: visible characters, blanks, tabs, CR LF in pairs. */
const forbidden = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([^ \t]+) HTTP\/(\d)\.(\d)$/;
const hostForm = /^(?:\[[0-9A-Fa-f:.%a-z]+\]|[!$&'()*+,;=\-.0-9A-Z_a-z~%]*)(?::\d*)?$/;
const absoluteForm = /^https?:\/\/([^/?#]+)(.*)$/i;

/** Spelled as most clients do, so that most names need no look at their letters. */
const known = new Map<string, string>(
  [
    ...["Host", "User-Agent", "Accept", "Range", "Connection", "Content-Length", "Content-Type"],
    ...["Accept-Encoding", "Authorization", "Depth", "If", "If-Match", "If-None-Match", "If-Range"],
    ...["Transfer-Encoding", "Expect", "Content-Range", "Origin", "Referer", "Destination"],
  ].flatMap((name) => [
    [name, name.toLowerCase()],
    [name.toLowerCase(), name.toLowerCase()],
  ]),
);

function fault(status: HeadFault["status"], reason: string): HeadFault {
  return { status, reason };
}

/**
 * Takes a head apart, strictly: what two programs could read in two ways is refused.
 * @param text latin1, from the request line to the CR LF of the last field, without the empty line
 * Source: RFC 9112 §2.2, §3, §5, §6
 */
export function parseHead(text: string): Head | HeadFault {
  if (forbidden.test(text)) return parseFault();
  const lineEnd = text.indexOf("\r\n");
  const line = requestLine.exec(text.slice(0, lineEnd));
  if (line === null) return badLine(text.slice(0, lineEnd));
  const [, method = "", rawTarget = "", major = "", minor = ""] = line;
  if (major !== "1") return fault(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (rawTarget.length > limits.httpTargetBytesMax) return fault(414, "the target is too long");
  const fields = parseFields(text, lineEnd + 2);
  if (!(fields instanceof Fields)) return fields;
  const modern = minor !== "0";
  // Before a target in absolute form takes the place of what they say.
  const host = checkHost(fields, modern);
  if (host !== null) return host;
  const target = originForm(method, rawTarget, fields);
  if (typeof target !== "string") return target;
  return frame({ method, target, modern, fields });
}

function badLine(line: string): HeadFault {
  if (line.length > limits.httpTargetBytesMax) return fault(414, "the target is too long");
  return fault(400, "the request line is not: method, target, version");
}

function parseFields(text: string, from: number): Fields | HeadFault {
  const fields = new Fields();
  let at = from;
  while (at < text.length) {
    const end = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    if (colon < 0 || colon > end) return fault(400, "a header field has no colon");
    const raw = text.slice(at, colon);
    let name = known.get(raw);
    if (name === undefined) {
      // Blanks before the colon or at the start of a line (a folded field) are no token either.
      if (!token.test(raw)) return fault(400, "the name of a header field is not a token");
      name = raw.toLowerCase();
    }
    if (fields.count === limits.httpFieldsMax) return fault(431, "too many header fields");
    // Between the colon and the value is mostly one blank.
    const valueAt = text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1;
    fields.add(name, trimBlanks(text, valueAt, end));
    at = end + 2;
  }
  return fields;
}

function trimBlanks(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** @returns the target as path and query, bytes beyond ASCII encoded as they should have been */
function originForm(method: string, raw: string, fields: Fields): string | HeadFault {
  let target = raw;
  if (target.charCodeAt(0) !== 0x2f) {
    if (target === "*" && method === "OPTIONS") return target;
    const absolute = absoluteForm.exec(target);
    if (absolute === null) return fault(400, "the target is not a path");
    const [, host = "", rest = ""] = absolute;
    if (!hostForm.test(host)) return fault(400, "the host in the target is no host");
    fields.replace("host", host);
    target = rest.startsWith("/") ? rest : `/${rest}`;
  }
  return beyondAscii.test(target) ? target.replace(everyBeyondAscii, percent) : target;
}

const beyondAscii = /[\x80-\xff]/;
const everyBeyondAscii = /[\x80-\xff]/g;

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function checkHost(fields: Fields, modern: boolean): HeadFault | null {
  const count = fields.countOf("host");
  if (count === 0) return modern ? fault(400, "the Host field is missing") : null;
  if (count > 1) return fault(400, "there are several Host fields");
  return hostForm.test(fields.get("host") ?? "") ? null : fault(400, "the Host field is no host");
}

/** How long the body is and what becomes of the connection: the part that smuggling is made of. */
function frame(head: Pick<Head, "method" | "target" | "modern" | "fields">): Head | HeadFault {
  const { fields, modern } = head;
  const expectation = fields.get("expect");
  if (expectation !== null && expectation.toLowerCase() !== "100-continue") {
    return fault(417, "only 100-continue can be expected");
  }
  const bodyBytes = framing(fields, modern);
  if (bodyBytes !== null && typeof bodyBytes !== "number") return bodyBytes;
  const connection = fields.get("connection");
  return {
    method: head.method,
    target: head.target,
    modern,
    fields,
    bodyBytes,
    keepAlive: modern && (connection === null || !hasToken(connection, "close")),
    expects: modern && expectation !== null && bodyBytes !== 0,
  };
}

function framing(fields: Fields, modern: boolean): number | null | HeadFault {
  const length = fields.get("content-length");
  const coding = fields.get("transfer-encoding");
  if (coding === null) return length === null ? 0 : contentLength(length);
  if (length !== null) return fault(400, "both Content-Length and Transfer-Encoding are given");
  if (!modern) return fault(400, "HTTP/1.0 has no Transfer-Encoding");
  if (coding.toLowerCase() === "chunked") return null;
  const codings = coding.toLowerCase().split(",");
  // What does not end in one chunked has no end that could be found.
  const ends = codings.findIndex((one) => one.trim() === "chunked") === codings.length - 1;
  return ends
    ? fault(501, "no transfer coding but chunked is understood")
    : fault(400, "the body has no end that could be found");
}

function contentLength(text: string): number | HeadFault {
  // Copies of one value are one value.
  const values = text.includes(",") ? text.split(",").map((one) => one.trim()) : [text];
  const [first = ""] = values;
  const bytes = /^\d{1,16}$/.test(first) ? Number(first) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) return fault(400, "the Content-Length is no length");
  if (values.some((one) => one !== first)) return fault(400, "the Content-Lengths differ");
  return bytes;
}

function hasToken(list: string, wanted: string): boolean {
  return list
    .toLowerCase()
    .split(",")
    .some((one) => one.trim() === wanted);
}

/** What is wrong already with a head that is not whole; null when more of it may make it right. */
export function headFaultSoFar(text: string): HeadFault | null {
  const line = text.indexOf("\r\n");
  if (line < 0 && text.length > limits.httpTargetBytesMax + 64) return badLine(text);
  if (text.length > limits.httpHeadBytesMax) return fault(431, "the header fields are too long");
  const sure = text.endsWith("\r") ? text.slice(0, -1) : text;
  return forbidden.test(sure) ? parseFault() : null;
}

function parseFault(): HeadFault {
  return fault(400, "a control character or a lone CR or LF in the head");
}
