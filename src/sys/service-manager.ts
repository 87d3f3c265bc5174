import type { Clock, Timer } from "../base/clock.ts";
import { closeFd, monotonicMicros, writeFd } from "./libc.ts";
import { connectLocal, localDatagramSocket } from "./sockets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whoever started us and waits to hear how we are: systemd, or another that speaks its protocol
 * (sd_notify(3)). Where nobody waits, nothing is sent. What cannot be sent is lost: a service must
 * not fail since its manager does not listen.
 */
export class ServiceManager {
  readonly #address: string | null;
  readonly #clock: Clock;
  /** Between two signs of life: half of what the manager waits for. Null when it wants none. */
  readonly #beatMs: number | null;
  /** What is said of it while everything is usable. */
  #status: string | null = null;
  #beat: Timer | null = null;

  readonly #lives: () => boolean;

  /** @param lives asked before each sign of life, which is not sent when it returns false */
  constructor(env: Environment, clock: Clock, lives: () => boolean) {
    this.#lives = lives;
    this.#address = localAddress(env["NOTIFY_SOCKET"]);
    this.#beatMs = this.#address === null ? null : beatMs(env);
    this.#clock = clock;
  }

  /** Everything is usable. From now on signs of life are sent where they are wanted. */
  ready(status: string): void {
    this.#status = status;
    this.#tell("READY=1", `STATUS=${status}`);
    if (this.#beat === null) this.#keepBeating();
  }

  /** Settings are about to be read again; `reloaded` follows. */
  reloading(): void {
    if (this.#status === null) return;
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${monotonicMicros()}`, "STATUS=reloading");
  }

  reloaded(): void {
    if (this.#status === null) return;
    this.#tell("READY=1", `STATUS=${this.#status}`);
  }

  /** The end has begun. Signs of life go on, as flushing may take its time. */
  stopping(why: string): void {
    this.#status = null;
    this.#tell("STOPPING=1", `STATUS=${why}`);
  }

  close(): void {
    this.#beat?.cancel();
    this.#beat = null;
  }

  #keepBeating(): void {
    if (this.#beatMs === null) return;
    this.#beat = this.#clock.after(this.#beatMs, () => {
      if (this.#lives()) this.#tell("WATCHDOG=1");
      this.#keepBeating();
    });
  }

  /** A socket for each message: the manager may have been replaced since the last one. */
  #tell(...lines: readonly string[]): void {
    if (this.#address === null) return;
    const fd = localDatagramSocket();
    if (fd < 0) return;
    if (connectLocal(fd, this.#address) >= 0) {
      // A line break would begin another assignment.
      const text = lines.map((line) => line.replaceAll("\n", " ")).join("\n");
      const bytes = new TextEncoder().encode(text);
      writeFd(fd, bytes, 0, bytes.length, null, 0, 0);
    }
    closeFd(fd);
  }
}

/** A path, or a name that is in no file system, written with '@'. Other kinds are not for us. */
function localAddress(text: string | undefined): string | null {
  if (text === undefined || !/^[/@]./.test(text)) return null;
  return text;
}

function beatMs(env: Environment): number | null {
  const { WATCHDOG_USEC: micros, WATCHDOG_PID: pid } = env as Record<string, string | undefined>;
  if (micros === undefined || !/^[1-9][0-9]{0,15}$/.test(micros)) return null;
  // Meant for another process that has passed its environment on.
  if (pid !== undefined && pid !== "" && pid !== String(process.pid)) return null;
  return Number(micros) / 2_000;
}
