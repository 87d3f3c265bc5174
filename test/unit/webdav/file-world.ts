import { route } from "../../../src/webdav/router.ts";
import { MemoryDir } from "../fuse/memory-tree.ts";
import type { MemorySocket } from "../http/memory-socket.ts";
import { HttpWorld } from "../http/world.ts";
import { PacedVolume } from "./paced-volume.ts";
import { DavWorld } from "./world.ts";

/** A volume behind the whole of the server, with sockets in memory. */
export class FileWorld {
  readonly volume: PacedVolume;
  readonly dav: DavWorld;
  readonly http: HttpWorld;

  constructor(sizeBytes: number) {
    this.volume = new PacedVolume(sizeBytes);
    this.dav = new DavWorld({ children: { paced: new MemoryDir({ v: this.volume }) } });
    this.http = new HttpWorld((request) => route(request, null, this.dav.site));
  }

  connect(): MemorySocket {
    return this.http.connect();
  }

  /** Sends one request and gives the socket that has its answer. */
  ask(
    method: string,
    fields: readonly string[] = [],
    body = "",
    target = "/paced/v",
  ): MemorySocket {
    const socket = this.connect();
    socket.send(
      `${[`${method} ${target} HTTP/1.1`, "Host: h", ...fields].join("\r\n")}\r\n\r\n${body}`,
    );
    return socket;
  }
}

export interface Parsed {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** The one answer that a socket got. */
export function answerOf(socket: MemorySocket): Parsed {
  const { bytes } = socket;
  const end = bytes.indexOf("\r\n\r\n");
  const [line = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const fields = new Map(
    lines.map((one) => {
      const colon = one.indexOf(":");
      return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()] as const;
    }),
  );
  return { status: Number(line.split(" ")[1]), fields, body: bytes.subarray(end + 4) };
}
