import { readFileSync } from "node:fs";
import type { Address } from "../base/address.ts";
import { formatAddress } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { realClock } from "../sys/clock.ts";
import { clusterFlag } from "../wire/cluster.ts";
import { Connection } from "./connection.ts";
import { answer } from "./dispatch.ts";
import { hasCode } from "./files.ts";
import { type ClusterFacts, SheepFolder } from "./folder.ts";
import { plainHost } from "./node.ts";
import { Sheep } from "./sheep.ts";

export interface SheepSettings {
  readonly dir: string;
  /** Port 0 takes a free one. */
  readonly listen: Address;
  /** Of the format at the first start; null leaves it to a client's MAKE_FS. */
  readonly copies: number | null;
  readonly log: Logger;
}

export interface RunningSheep {
  readonly address: Address;
  /** Ends all connections; everything acknowledged is on the disk when it returns. */
  stop(): Promise<void>;
}

/**
 * Starts a sheep on a directory, which is made and formatted at the first start.
 * @throws busy | invalid | version | corrupt for the directory, unavailable for the address
 */
export async function startSheep(settings: SheepSettings): Promise<RunningSheep> {
  const { dir, log } = settings;
  const folder = SheepFolder.open(dir);
  let sheep: Sheep;
  try {
    sheep = await Sheep.open(folder, { clock: realClock, log, boot: bootId() });
  } catch (error) {
    folder.close();
    throw error;
  }
  try {
    if (folder.cluster === null && settings.copies !== null) {
      await sheep.format(firstFormat(settings.copies));
      log.info(`${dir}: formatted, copies ${settings.copies}`);
    }
    return listen(settings, sheep);
  } catch (error) {
    await sheep.close();
    throw error;
  }
}

/** As `dog cluster format` does without options. */
function firstFormat(copies: number): ClusterFacts {
  const ms = realClock.wallMs();
  const seconds = Math.floor(ms / 1000);
  return {
    createTime: { seconds, nanoseconds: Math.floor(ms % 1000) * 1_000_000 },
    epochSeconds: seconds,
    copies,
    copyPolicy: 0,
    blockSizeShift: 22,
    flags: clusterFlag.autoVnodes,
    store: "plain",
  };
}

function listen({ listen: wish, log }: SheepSettings, sheep: Sheep): RunningSheep {
  const sockets = new Set<Bun.Socket<Client>>();
  const epoch = (): number => (sheep.cluster === null ? 0 : 1);
  const open = (socket: Bun.Socket<Client>): void => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    const local = { host: plainHost(socket.localAddress), port: socket.localPort };
    const ports = {
      answer: (request: Parameters<typeof answer>[1]) => answer(sheep, request),
      epoch,
      local,
    };
    socket.data = { connection: new Connection(socket, ports) };
    sockets.add(socket);
  };
  const close = (socket: Bun.Socket<Client>): void => {
    socket.data?.connection.closed();
    sockets.delete(socket);
  };
  const server = bind(wish, {
    open,
    // A plain array over the same bytes: a Buffer's `slice` would be a view, not a copy.
    data: (socket, { buffer, byteOffset, byteLength }) =>
      socket.data.connection.received(new Uint8Array(buffer, byteOffset, byteLength)),
    drain: (socket) => socket.data.connection.drained(),
    close,
    // A client that ends or resets its connection does nothing wrong.
    error: (socket, error) => {
      log.debug(`connection failed: ${error.message}`);
      close(socket);
    },
  });
  const address = { host: wish.host, port: server.port };
  return {
    address,
    stop: async () => {
      server.stop(true);
      for (const socket of sockets) socket.terminate();
      await sheep.close();
    },
  };
}

interface Client {
  readonly connection: Connection;
}

const listenFailures: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "only root may use that port",
};

function bind(wish: Address, socket: Bun.SocketHandler<Client>): Bun.TCPSocketListener<Client> {
  try {
    return Bun.listen<Client>({ hostname: wish.host, port: wish.port, socket });
  } catch (error) {
    const code = Object.keys(listenFailures).find((known) => hasCode(error, known));
    const why = listenFailures[code ?? "EADDRNOTAVAIL"];
    throw new SheepfsError(
      "unavailable",
      `cannot listen on ${formatAddress(wish)}: ${why}; name another address with --listen`,
      { cause: error },
    );
  }
}

/** What was not synced under an earlier boot may be gone. */
function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
