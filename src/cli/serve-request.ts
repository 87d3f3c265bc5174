import { resolve } from "node:path";
import type { ListenAddress, LoginWish, ServeWish } from "../app/serve.ts";
import { parseAddress } from "../base/address.ts";
import type { Values } from "./command.ts";
import { type LogSettings, logSettings } from "./log-settings.ts";
import { parseGateways, usage } from "./parse.ts";
import { UsageError } from "./usage-error.ts";

/** Everything that a command line can say about a server. */
export interface ServeRequest extends ServeWish {
  readonly foreground: boolean;
  readonly log: LogSettings;
  readonly json: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What `sheepfs serve` was asked for. Files become absolute: a daemon works in another directory.
 * @throws UsageError naming the option whose value is none, or the two that contradict each other
 */
export async function serveRequest(values: Values, env: Environment): Promise<ServeRequest> {
  const foreground = values.flag("foreground");
  const accessLog = values.text("access-log");
  if (accessLog === "-" && !foreground) {
    throw new UsageError("'--access-log -' needs '-f': a daemon has no stdout; name a file");
  }
  return {
    listen: values.list("webdav").map(listenAddress),
    gateways: parseGateways(values.list("sheep"), env["SHEEPFS_SHEEP"]),
    attach: values.list("attach"),
    readOnly: values.flag("read-only"),
    login: loginWish(values),
    tls: tlsWish(values),
    basePath: basePath(values.text("base-path") ?? "/"),
    corsOrigins: values.list("cors").map(corsOrigin),
    allowHosts: values.list("allow-host").map(hostName),
    mount: await mountWish(values),
    accessLog: accessLog === null || accessLog === "-" ? accessLog : resolve(accessLog),
    scratch: values.flag("scratch"),
    pidFile: fileOf(values, "pid-file"),
    foreground,
    log: logSettings(values.text("log-file"), env["SHEEPFS_LOG"]),
    json: values.flag("json"),
  };
}

/** `:8080` is every address; a port 0 takes a free one. */
export function listenAddress(text: string): ListenAddress {
  const [, host = "", portText = ""] = /^(.*):([0-9]*)$/.exec(text) ?? [];
  if (portText === "" || Number(portText) > 65_535) {
    throw new UsageError(`--webdav: '${text}' has no port from 0 to 65535; write [ADDR]:PORT`);
  }
  const port = Number(portText);
  if (host === "" || host === "*") return { host: null, port };
  const parsed = usage("--webdav", () => parseAddress(`${host}:1`));
  return { host: parsed.host, port };
}

function loginWish(values: Values): LoginWish {
  const user = values.text("user");
  const passwordFile = fileOf(values, "password-file");
  const htpasswd = fileOf(values, "htpasswd");
  const anonymous = values.flag("anonymous");
  const given = [
    ...(user === null && passwordFile === null ? [] : ["'--user' with '--password-file'"]),
    ...(htpasswd === null ? [] : ["'--htpasswd'"]),
    ...(anonymous ? ["'--anonymous'"] : []),
  ];
  if (given.length > 1) {
    throw new UsageError(`${given.join(" and ")} contradict each other; give one of them`);
  }
  if (anonymous) return { by: "nobody" };
  if (htpasswd !== null) return { by: "htpasswd", file: htpasswd };
  if (user === null && passwordFile === null) return { by: "default" };
  if (user === null) throw new UsageError("'--password-file' needs '--user NAME'");
  if (passwordFile === null) throw new UsageError("'--user' needs '--password-file FILE'");
  if (user.includes(":") || hasControl(user)) {
    throw new UsageError(`--user: '${user}' has a colon or a control character`);
  }
  return { by: "password", user, file: passwordFile };
}

function tlsWish(values: Values): ServeWish["tls"] {
  const certFile = fileOf(values, "tls-cert");
  const keyFile = fileOf(values, "tls-key");
  if (certFile === null && keyFile === null) return null;
  if (certFile === null) throw new UsageError("'--tls-key' needs '--tls-cert FILE'");
  if (keyFile === null) throw new UsageError("'--tls-cert' needs '--tls-key FILE'");
  return { certFile, keyFile };
}

/** Encoded, without a slash at the end: "" for the root. */
export function basePath(text: string): string {
  const bad = (why: string): UsageError =>
    new UsageError(`--base-path: '${text}' ${why}; write a path like /sheep`);
  if (!text.startsWith("/")) throw bad("does not begin with a slash");
  const names = text.replace(/\/+$/, "").split("/").slice(1);
  if (names.some((name) => name === "" || name === "." || name === "..")) {
    throw bad("has an empty name, '.' or '..'");
  }
  if (/[?#%\\]/.test(text) || hasControl(text)) throw bad("has a character that no path may have");
  return names.map((name) => `/${encodeURIComponent(name)}`).join("");
}

/** As browsers write it: `https://host` or `https://host:port`. */
export function corsOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const web = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === null || !web || url.origin !== text.replace(/\/$/, "").toLowerCase()) {
    throw new UsageError(`--cors: '${text}' is no origin; write https://HOST or https://HOST:PORT`);
  }
  return url.origin;
}

function hostName(text: string): string {
  if (!/^[A-Za-z0-9._-]{1,255}$/.test(text)) {
    throw new UsageError(`--allow-host: '${text}' is no host name; write it without a port`);
  }
  return text.toLowerCase();
}

async function mountWish(values: Values): Promise<ServeWish["mount"]> {
  const mountpoint = fileOf(values, "mount");
  const options = values.list("options");
  if (mountpoint === null) {
    if (options.length > 0) throw new UsageError("'-o' needs '--mount MOUNTPOINT'");
    return null;
  }
  const { mountOptions } = await import("../app/mount-options.ts");
  const wish = { text: options.join(","), readOnly: values.flag("read-only") };
  return { mountpoint, options: usage("-o", () => mountOptions(wish)) };
}

function fileOf(values: Values, option: string): string | null {
  const text = values.text(option);
  return text === null ? null : resolve(text);
}

function hasControl(text: string): boolean {
  return [...text].some((char) => char < " " || char === "\u007f");
}
