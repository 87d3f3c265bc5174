import type { ErrorCode } from "../../src/base/errors.ts";
import { statusOf } from "../../src/webdav/status.ts";
import type { TestCluster } from "../support/cluster.ts";
import { firstText, hrefsOf, propfind } from "../support/dav.ts";
import { startServe, type TestServer } from "../support/serve.ts";
import type { Subject, SubjectFile, SubjectKind, SubjectOptions, SubjectStat } from "./subject.ts";

/** The tree as an HTTP client sees it. */
export const webdavKind: SubjectKind = {
  name: "webdav",
  cannotRun: null,
  cannot: {
    "is given another size":
      "the length is a property that only the server sets; the mount's run of this case has it",
    "gives back what is discarded":
      "HTTP has no verb that makes a part of a file a hole; the mount's run of this case has it",
    "is renamed while it is read": "HTTP has no open; the mount's run of this case has it",
    "is not detached while it is open":
      "HTTP has no open; that a request under way keeps its volume is in webdav.test.ts",
  },
  start: async (cluster, options) => await start(cluster, options),
};

async function start(cluster: TestCluster, options: SubjectOptions): Promise<Subject> {
  const args = options.attach.flatMap((name) => ["--attach", name]);
  if (options.readOnly) args.push("--read-only");
  const subject = new WebdavSubject(await startServe(cluster, { args }));
  if (options.pageCache) await subject.put("config/page_cache", "1\n");
  return subject;
}

/** An answer that is not success. */
class HttpFailure extends Error {
  readonly status: number;

  constructor(what: string, status: number, text: string) {
    super(`${what}: ${status} ${text}`);
    this.status = status;
  }
}

/** A change of a property that the server keeps to itself. */
class ProtectedProperty extends HttpFailure {}

class WebdavSubject implements Subject {
  readonly #server: TestServer;

  constructor(server: TestServer) {
    this.#server = server;
  }

  async list(path: string): Promise<string[]> {
    const url = this.#url(path);
    const xml = await this.#multistatus("PROPFIND", url, { Depth: "1" }, propfind("resourcetype"));
    const own = new URL(url).pathname.replace(/\/?$/, "/");
    const names: string[] = [];
    for (const href of hrefsOf(xml)) {
      const { pathname } = new URL(href, url);
      if (pathname.replace(/\/?$/, "/") === own) continue;
      if (!pathname.startsWith(own)) throw new Error(`'${href}' is not in ${own}`);
      names.push(decodeURIComponent(pathname.slice(own.length).replace(/\/$/, "")));
    }
    return names.sort();
  }

  async stat(path: string): Promise<SubjectStat> {
    const asked = ["resourcetype", "getcontentlength", "getlastmodified", "quota-used-bytes"];
    const url = this.#url(path);
    const xml = await this.#multistatus("PROPFIND", url, { Depth: "0" }, propfind(...asked));
    return {
      kind: /<[a-z]*:?collection/i.test(xml) ? "dir" : "file",
      sizeBytes: Number(firstText(xml, "getcontentlength") ?? 0),
      allocatedBytes: Number(firstText(xml, "quota-used-bytes") ?? Number.NaN),
      mtimeMs: Date.parse(firstText(xml, "getlastmodified") ?? ""),
    };
  }

  /**
   * HTTP has no open. For writing, an empty PUT asks whether it may be, as davfs2 does; a text is
   * fetched whole, so that what is read of it in pieces is of one rendering.
   */
  async open(path: string, mode: "read" | "write" | "readwrite"): Promise<SubjectFile> {
    const { sizeBytes } = await this.stat(path);
    if (mode !== "read") await this.put(path, "");
    if (/^(volume|snapshot)\//.test(path)) return new VolumeFile(this, path, sizeBytes);
    const text = mode === "read" ? await this.get(path, {}) : new Uint8Array();
    return new TextFile(this, path, text);
  }

  /** To nothing as a shell's `>` does; else the length is a property, and only the server's. */
  async setSize(path: string, bytes: number): Promise<void> {
    if (bytes === 0) return await this.put(path, "");
    const set = `<D:set><D:prop><D:getcontentlength>${bytes}</D:getcontentlength></D:prop></D:set>`;
    const body = `<D:propertyupdate xmlns:D="DAV:">${set}</D:propertyupdate>`;
    const xml = await this.#multistatus("PROPPATCH", this.#url(path), {}, body);
    const status = Number(/HTTP\/1\.1 ([0-9]+)/.exec(firstText(xml, "status") ?? "")?.[1]);
    if (status >= 300) throw new ProtectedProperty(`PROPPATCH ${path}`, status, xml);
  }

  /** By sending all of it: zeros, as only the size matters. */
  async create(path: string, bytes: number): Promise<void> {
    await this.put(path, new Uint8Array(bytes), { "If-None-Match": "*" });
  }

  async makeDir(path: string): Promise<void> {
    await orFail(`MKCOL ${path}`, await fetch(this.#url(path), { method: "MKCOL" }));
  }

  async remove(path: string): Promise<void> {
    const headers = { "If-Match": "*" };
    await orFail(`DELETE ${path}`, await fetch(this.#url(path), { method: "DELETE", headers }));
  }

  async link(source: string, path: string): Promise<void> {
    const headers = { Destination: this.#url(path), Overwrite: "F" };
    const answer = await fetch(this.#url(source), { method: "COPY", headers });
    await orFail(`COPY ${source}`, answer);
  }

  async rename(source: string, path: string): Promise<void> {
    const answer = await fetch(this.#url(source), {
      ...{ method: "MOVE", headers: { Destination: this.#url(path) } },
    });
    await orFail(`MOVE ${source}`, answer);
  }

  shows(thrown: unknown, code: ErrorCode): boolean {
    if (thrown instanceof ProtectedProperty) return code === "not_supported";
    if (!(thrown instanceof HttpFailure)) return false;
    // A verb that there is none of.
    if (code === "not_supported" && thrown.status === 403) return true;
    // What lies below a file is not there; a range beyond the end has a status of its own.
    if (code === "not_directory") return thrown.status === statusOf.not_found;
    // Where a condition said so, or of MKCOL.
    if (code === "exists" && [405, 412].includes(thrown.status)) return true;
    if (code === "no_space" && thrown.status === statusOf.range) return true;
    return thrown.status === statusOf[code];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async put(
    path: string,
    body: Uint8Array<ArrayBuffer> | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const answer = await fetch(this.#url(path), { method: "PUT", headers, body });
    await orFail(`PUT ${path}`, answer);
  }

  async get(path: string, headers: Readonly<Record<string, string>>): Promise<Uint8Array> {
    const answer = await orFail(`GET ${path}`, await fetch(this.#url(path), { headers }));
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** The part of a file from `offset` on, empty at and behind its end. */
  async getRange(path: string, offset: number, length: number): Promise<Uint8Array> {
    const range = `bytes=${offset}-${offset + length - 1}`;
    const answer = await fetch(this.#url(path), { headers: { Range: range } });
    const total = Number(answer.headers.get("content-range")?.split("/")[1]);
    if (answer.status === 416 && offset >= total) return new Uint8Array();
    await orFail(`GET ${path} ${range}`, answer);
    const body = new Uint8Array(await answer.arrayBuffer());
    const told = `bytes ${offset}-${offset + body.length - 1}/${total}`;
    if (answer.status !== 206 || answer.headers.get("content-range") !== told) {
      throw new Error(`${range}: ${answer.status} with ${answer.headers.get("content-range")}`);
    }
    return body;
  }

  #url(path: string): string {
    return path === "" ? `${this.#server.url}/` : this.#server.at(...path.split("/"));
  }

  async #multistatus(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
  ): Promise<string> {
    const answer = await orFail(`${method} ${url}`, await fetch(url, { method, headers, body }));
    if (answer.status !== 207) throw new Error(`${method} ${url}: ${answer.status}`);
    return await answer.text();
  }
}

async function orFail(what: string, answer: Response): Promise<Response> {
  if (!answer.ok) throw new HttpFailure(what, answer.status, await answer.text());
  return answer;
}

/** Each read and write a request of its own. */
class VolumeFile implements SubjectFile {
  readonly #subject: WebdavSubject;
  readonly #path: string;
  readonly #sizeBytes: number;

  constructor(subject: WebdavSubject, path: string, sizeBytes: number) {
    this.#subject = subject;
    this.#path = path;
    this.#sizeBytes = sizeBytes;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#subject.getRange(this.#path, offset, length);
  }

  /** What crosses the end is cut by the client; the server takes a range whole or not at all. */
  async write(offset: number, bytes: Uint8Array): Promise<number> {
    const room = this.#sizeBytes - offset;
    const taken = Uint8Array.from(room > 0 ? bytes.subarray(0, room) : bytes);
    const range = `bytes ${offset}-${offset + taken.length - 1}/*`;
    await this.#subject.put(this.#path, taken, { "Content-Range": range });
    return taken.length;
  }

  /** What was answered is durable. */
  async sync(): Promise<void> {}

  async discard(): Promise<void> {
    throw new Error("HTTP cannot discard");
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A text or a control file: fetched at once, and put at once when it is closed. */
class TextFile implements SubjectFile {
  readonly #subject: WebdavSubject;
  readonly #path: string;
  readonly #content: Uint8Array;
  #written = "";

  constructor(subject: WebdavSubject, path: string, content: Uint8Array) {
    this.#subject = subject;
    this.#path = path;
    this.#content = content;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#content.subarray(offset, offset + length);
  }

  async write(_offset: number, bytes: Uint8Array): Promise<number> {
    this.#written += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  async sync(): Promise<void> {}

  async discard(): Promise<void> {
    throw new Error("HTTP cannot discard");
  }

  async close(): Promise<void> {
    const written = this.#written;
    this.#written = "";
    if (written !== "") await this.#subject.put(this.#path, written);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
