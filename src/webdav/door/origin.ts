import type { HttpRequest, HttpResponse, ResponseHeaders } from "../../http/exchange.ts";
import { refusal } from "../refusal.ts";

/** Which names and pages may reach the server without a login of their own to protect it. */
export interface OriginRules {
  /** Null when every host name is answered, as a login is asked for. */
  readonly hosts: HostRule | null;
  /** Origins whose pages may use the server, as browsers write them. */
  readonly cors: readonly string[];
}

export interface HostRule {
  /** In lower case, without a port. */
  readonly names: ReadonlySet<string>;
  /** Whether every IP address is answered: no page of a stranger can have one as its name. */
  readonly addresses: boolean;
}

/** Methods that change nothing, whoever sends them. */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const ownSites: ReadonlySet<string> = new Set(["same-origin", "none"]);

/**
 * Why a request is not answered at all: a name that is not ours, behind which a stranger's page may
 * have been turned to this address (DNS rebinding), or a page of elsewhere that wants to change
 * something. Programs send no `Origin` and no `Sec-Fetch-Site` and are not concerned.
 */
export function strangerRefusal(request: HttpRequest, rules: OriginRules): HttpResponse | null {
  const { headers, method } = request;
  const host = headers.get("host");
  if (rules.hosts !== null && host !== null && !isOurs(host, rules.hosts)) {
    const name = hostOf(host) ?? "that";
    return refusal(421, `this server does not answer to ${name}; allow it with --allow-host`);
  }
  if (safeMethods.has(method)) return null;
  const origin = headers.get("origin");
  if (origin !== null) {
    if (isSame(origin, host, request.secure) || rules.cors.includes(origin)) return null;
    return refusal(403, "pages of another site may not do this; allow theirs with --cors");
  }
  const site = headers.get("sec-fetch-site");
  if (site === null || ownSites.has(site)) return null;
  return refusal(403, "pages of another site may not do this");
}

/**
 * The answer to a browser that asks whether a page's script may send a request, which `corsHeaders`
 * completes. Source: Fetch §3.2
 */
export function preflight(request: HttpRequest, rules: OriginRules): HttpResponse | null {
  const { headers, method } = request;
  if (method !== "OPTIONS" || headers.get("access-control-request-method") === null) return null;
  const origin = headers.get("origin");
  if (origin === null || !rules.cors.includes(origin)) return null;
  const wanted = headers.get("access-control-request-headers");
  const fields = wanted !== null && /^[A-Za-z0-9-]+(?: *, *[A-Za-z0-9-]+)*$/.test(wanted);
  return {
    status: 204,
    headers: [
      ["Access-Control-Allow-Methods", allowedMethods],
      ...(fields ? [["Access-Control-Allow-Headers", wanted] as const] : []),
      ["Access-Control-Max-Age", "600"],
    ],
    body: null,
  };
}

const allowedMethods =
  "GET, HEAD, OPTIONS, PUT, PATCH, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK";
const exposedFields =
  "Accept-Ranges, Allow, Content-Disposition, Content-Length, Content-Range, DAV, ETag, " +
  "Last-Modified, Location, Lock-Token, Retry-After, WWW-Authenticate";

/** What an answer needs so that the page which has asked may read it; none without `--cors`. */
export function corsHeaders(request: HttpRequest, rules: OriginRules): ResponseHeaders {
  if (rules.cors.length === 0) return [];
  const origin = request.headers.get("origin");
  if (origin === null || !rules.cors.includes(origin)) return [["Vary", "Origin"]];
  return [
    ["Access-Control-Allow-Origin", origin],
    ["Access-Control-Expose-Headers", exposedFields],
    ["Vary", "Origin"],
  ];
}

/** Of each rule the host that was ours last: mostly the next request has the same. */
const lastOurs = new WeakMap<HostRule, string>();

function isOurs(host: string, rule: HostRule): boolean {
  if (lastOurs.get(rule) === host) return true;
  const name = hostOf(host);
  if (name === null) return false;
  const ours = (rule.addresses && isAddress(name)) || rule.names.has(name);
  if (ours) lastOurs.set(rule, host);
  return ours;
}

/** Of `host[:port]`, in lower case, IPv6 without brackets; null when it is no such thing. */
function hostOf(host: string): string | null {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]*)?$/i.exec(host.trim());
  const name = parts?.[1] ?? parts?.[2];
  // A name with its root's dot is the same name.
  return name === undefined ? null : name.toLowerCase().replace(/\.$/, "");
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(name);
}

/** A proxy in front of us may speak TLS, so that plain requests may come from pages of https. */
function isSame(origin: string, host: string | null, secure: boolean): boolean {
  if (host === null) return false;
  const given = origin.toLowerCase();
  const own = host.toLowerCase();
  return given === `https://${own}` || (!secure && given === `http://${own}`);
}
