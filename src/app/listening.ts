import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { formatAddress } from "../base/address.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { HttpListener } from "../http/socket.ts";
import type { Reactor } from "../sys/reactor.ts";
import { listenTcp } from "../sys/tcp-listener.ts";
import { listenTls } from "../sys/tls-listener.ts";
import type { OpenListener } from "../webdav/frontend.ts";
import type { ListenAddress, LoginReport } from "./serve.ts";
import { readTlsFiles, type TlsFiles, type TlsIdentity } from "./tls-files.ts";

/** One address to listen on: an IP address, or all of them. */
interface Place {
  readonly ip: string | null;
  /** As the user named it. */
  readonly shown: string;
  readonly port: number;
}

type TlsListener = ReturnType<typeof listenTls>;

/** The addresses of a server and the certificate that it shows there. */
export class Listening {
  readonly #places: readonly Place[];
  readonly #files: TlsFiles | null;
  readonly #log: Logger;
  readonly #open = new Map<Place, HttpListener>();
  readonly #tls = new Set<TlsListener>();
  #identity: TlsIdentity | null;

  private constructor(
    places: readonly Place[],
    files: TlsFiles | null,
    identity: TlsIdentity | null,
    log: Logger,
  ) {
    this.#places = places;
    this.#files = files;
    this.#identity = identity;
    this.#log = log;
  }

  /** @throws invalid | not_found | denied naming the address or file that cannot be used */
  static async prepare(
    { listen, tls }: { readonly listen: readonly ListenAddress[]; readonly tls: TlsFiles | null },
    log: Logger,
  ): Promise<Listening> {
    const places = (await Promise.all(listen.map(placesOf))).flat();
    const identity = tls === null ? null : readTlsFiles(tls);
    return new Listening(places, tls, identity, log);
  }

  /** Whether nobody but this machine can connect. */
  get loopback(): boolean {
    return this.#places.every(({ ip }) => ip !== null && isLoopback(ip));
  }

  /** One for each address; each throws when its address cannot be had. */
  openers(reactor: Reactor): readonly OpenListener[] {
    return this.#places.map((place) => async (accept) => {
      const listener = await this.#listen(place, reactor, accept);
      this.#open.set(place, listener);
      return listener;
    });
  }

  /** Where the tree is, once every listener is open. */
  urls(basePath: string): string[] {
    const scheme = this.#files === null ? "http" : "https";
    return this.#places.map((place) => {
      const port = this.#open.get(place)?.port ?? place.port;
      const host = place.ip === null ? hostname() : place.shown;
      return `${scheme}://${formatAddress({ host, port })}${basePath}/`;
    });
  }

  /** What the user should know of them; a login over plain HTTP is readable on its way. */
  warnings(login: LoginReport): string[] {
    const warnings: string[] = [];
    if (!this.loopback && this.#identity === null && login.by !== "nobody") {
      warnings.push(
        "passwords and data cross the network in the clear; use --tls-cert and --tls-key, or a " +
          "network that you trust",
      );
    }
    if (this.#identity !== null && this.#identity.validToMs < Date.now()) {
      warnings.push(`the certificate '${this.#files?.certFile}' has expired`);
    }
    return warnings;
  }

  /** Reads the certificate again; a bad one changes nothing. Connections that exist go on. */
  reload(): void {
    if (this.#files === null) return;
    try {
      const identity = readTlsFiles(this.#files);
      for (const listener of this.#tls) listener.renew(identity.cert, identity.key);
      this.#identity = identity;
      this.#log.info(`certificate '${this.#files.certFile}' was read again`);
    } catch (thrown) {
      this.#log.error("the certificate stays as it was", asSheepfsError(thrown));
    }
  }

  async #listen(
    { ip, port }: Place,
    reactor: Reactor,
    accept: Parameters<OpenListener>[0],
  ): Promise<HttpListener> {
    const at = (host: string): HttpListener | Promise<HttpListener> => {
      if (this.#identity === null) return listenTcp({ reactor, host, port, accept });
      const { cert, key } = this.#identity;
      const listener = listenTls({ host, port, cert, key, accept });
      this.#tls.add(listener);
      return listener;
    };
    // `::` is IPv4 as well, on a machine that has IPv6.
    return await at(ip ?? (existsSync("/proc/net/if_inet6") ? "::" : "0.0.0.0"));
  }
}

/** @throws invalid when the name is not known */
async function placesOf({ host, port }: ListenAddress): Promise<Place[]> {
  if (host === null) return [{ ip: null, shown: "", port }];
  if (isIP(host.split("%")[0] ?? "") !== 0) return [{ ip: host, shown: host, port }];
  const found = await within(lookup(host, { all: true }), host);
  const ips = [...new Set(found.map(({ address }) => address))];
  // One free port is enough: a second address would get another one.
  const used = port === 0 ? ips.slice(0, 1) : ips;
  return used.map((ip) => ({ ip, shown: used.length === 1 ? host : ip, port }));
}

async function within<T>(found: Promise<T>, host: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer")), limits.connectTimeoutMs);
  try {
    return await Promise.race([found, late.promise]);
  } catch (thrown) {
    const why = thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
    throw new SheepfsError("invalid", `no address of '${host}' is known to listen on (${why})`);
  } finally {
    clearTimeout(timer);
  }
}

function isLoopback(ip: string): boolean {
  return /^(?:::ffff:)?127\./i.test(ip) || ip === "::1";
}
