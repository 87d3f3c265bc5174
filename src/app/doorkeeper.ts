import { statSync } from "node:fs";
import { hostname } from "node:os";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { HttpHandler, RefusedRequest } from "../http/exchange.ts";
import { realClock } from "../sys/clock.ts";
import { Passwords } from "../sys/passwords.ts";
import { AccessLog } from "../webdav/door/access-log.ts";
import { Authenticator } from "../webdav/door/auth.ts";
import { behindDoor, type InsideHandler } from "../webdav/door/door.ts";
import { parseHtpasswd, type Users } from "../webdav/door/htpasswd.ts";
import type { HostRule, OriginRules } from "../webdav/door/origin.ts";
import { AccessLogFile } from "./access-log-file.ts";
import { madePassword, madePasswordFile, madeUser } from "./made-password.ts";
import type { LoginReport, LoginWish } from "./serve.ts";
import { readText } from "./tls-files.ts";

export interface DoorWish {
  readonly login: LoginWish;
  /** Nobody but this machine can connect. */
  readonly loopback: boolean;
  readonly corsOrigins: readonly string[];
  readonly allowHosts: readonly string[];
  readonly accessLog: string | null;
}

/** Who may come in, and the book about it: everything that a request passes on its way in. */
export class Doorkeeper implements AsyncDisposable {
  readonly login: LoginReport;
  readonly warnings: readonly string[];
  readonly #wish: DoorWish;
  readonly #passwords: Passwords;
  readonly #auth: Authenticator | null;
  readonly #accessLog: AccessLogFile | null;
  readonly #book: AccessLog | null;
  readonly #log: Logger;

  private constructor(
    wish: DoorWish,
    opened: OpenedLogin,
    passwords: Passwords,
    accessLog: AccessLogFile | null,
    log: Logger,
  ) {
    const { users, login, warnings } = opened;
    this.#wish = wish;
    this.#passwords = passwords;
    this.#accessLog = accessLog;
    this.#book =
      accessLog === null ? null : new AccessLog(realClock, (line) => accessLog.add(line));
    this.#log = log;
    this.login = login;
    this.warnings = warnings;
    this.#auth =
      users === null ? null : new Authenticator({ passwords, users, clock: realClock, log });
  }

  /** @throws not_found | denied | invalid naming the file that cannot be used */
  static async open(wish: DoorWish, log: Logger): Promise<Doorkeeper> {
    const passwords = new Passwords();
    const opened = openLogin(wish, passwords);
    const path = wish.accessLog;
    const book = path === null ? null : await AccessLogFile.open(path === "-" ? null : path, log);
    return new Doorkeeper(wish, opened, passwords, book, log);
  }

  guard(handler: InsideHandler): HttpHandler {
    return behindDoor(handler, {
      rules: originRules(this.#wish, this.#auth !== null),
      auth: this.#auth,
      log: this.#book,
    });
  }

  /** A request that has not come as far as the door. */
  refused(request: RefusedRequest): void {
    this.#book?.refused(request);
  }

  /** Opens the access log anew, and reads who may come in again; a bad file changes nothing. */
  reload(): void {
    this.#accessLog?.reopen();
    if (this.#auth === null) return;
    try {
      const { users } = openLogin(this.#wish, this.#passwords);
      if (users === null) return;
      this.#auth.renew(users);
      this.#log.info("who may log in was read again");
    } catch (thrown) {
      this.#log.error("who may log in stays as it was", asSheepfsError(thrown));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#accessLog?.[Symbol.asyncDispose]();
  }
}

interface OpenedLogin {
  /** Null when nobody is asked. */
  readonly users: Users | null;
  readonly login: LoginReport;
  readonly warnings: readonly string[];
}

function openLogin({ login, loopback }: DoorWish, passwords: Passwords): OpenedLogin {
  switch (login.by) {
    case "nobody": {
      const report = { by: "nobody", why: "anonymous" } as const;
      const warning = "whoever can connect may read and write everything";
      return { users: null, login: report, warnings: loopback ? [] : [warning] };
    }
    case "default": {
      if (loopback) {
        return { users: null, login: { by: "nobody", why: "loopback" }, warnings: [] };
      }
      const { file, password, isNew } = madePassword(madePasswordFile(process.env));
      return {
        users: new Map([[madeUser, passwords.digest(password)]]),
        login: {
          ...{ by: "made-password", user: madeUser, file },
          password: isNew ? password : null,
        },
        warnings: [],
      };
    }
    case "password": {
      const { user, file } = login;
      const password = readText(file, "password file").split(/\r?\n/)[0] ?? "";
      if (password === "") {
        throw new SheepfsError("invalid", `password file '${file}' has no password in line 1`);
      }
      const open = (statSync(file).mode & 0o004) !== 0;
      const warning = `password file '${file}' can be read by every user of this machine`;
      return {
        users: new Map([[user, passwords.digest(password)]]),
        login: { by: "password", user, file },
        warnings: open ? [warning] : [],
      };
    }
    case "htpasswd": {
      const { file } = login;
      const users = parseHtpasswd(readText(file, "htpasswd file"), file);
      return { users, login: { by: "htpasswd", users: users.size, file }, warnings: [] };
    }
  }
}

/**
 * Where nobody logs in, a page of a stranger must not reach us under a name of its own. A login
 * protects by itself: no browser sends it under another name.
 */
function originRules(wish: DoorWish, hasLogin: boolean): OriginRules {
  const { corsOrigins, allowHosts, loopback } = wish;
  const asked = !hasLogin || allowHosts.length > 0;
  const own = loopback ? [] : [hostname().toLowerCase()];
  const names = new Set(["localhost", "127.0.0.1", "::1", ...own, ...allowHosts]);
  const hosts: HostRule | null = asked ? { names, addresses: !loopback } : null;
  return { hosts, cors: corsOrigins };
}
