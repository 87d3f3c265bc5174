import { closeSync, writeFileSync, writeSync } from "node:fs";
import type { SheepfsError } from "../base/errors.ts";
import { receiveFd, sendFd } from "../sys/sockets.ts";
import { handover, handoverFd, textFd } from "./protocol.ts";

/** What a server goes on with; null in the first one. */
export interface Inheritance {
  readonly device: number;
  readonly notes: number;
}

/** The server's end of its talk with the keeper. */
export class KeeperLink {
  /** For whoever watches: what comes is for `hear`. */
  readonly fd = handoverFd;
  readonly inheritance: Inheritance | null;

  private constructor(inheritance: Inheritance | null) {
    this.inheritance = inheritance;
  }

  /**
   * Says that this program is loaded and waits until it is its turn; null when the keeper is gone.
   * Nothing else happens in this process meanwhile, and no signal is handled.
   */
  static begin(version: string): KeeperLink | null {
    // Lists of processes would show the number of the descriptor that it was started from.
    writeFileSync("/proc/self/comm", "sheepfs");
    say(`loaded ${version}`);
    let device: number | null = null;
    let notes: number | null = null;
    for (;;) {
      const received = receiveFd(handoverFd, true);
      if (received === null) return null;
      if (received.byte === handover.device) device = received.fd;
      else if (received.byte === handover.notes) notes = received.fd;
      else if (received.byte === handover.ping) say("alive");
      else if (received.fd !== null) closeSync(received.fd);
      if (received.byte === handover.go) break;
    }
    return new KeeperLink(device === null || notes === null ? null : { device, notes });
  }

  /** Answers what has come. @returns false when the keeper is gone */
  hear(): boolean {
    const received = receiveFd(handoverFd, false);
    if (received?.byte === handover.ping) say("alive");
    return received !== null;
  }

  keepDevice(fd: number): void {
    sendFd(handoverFd, handover.device, fd);
  }

  keepNotes(fd: number): void {
    sendFd(handoverFd, handover.notes, fd);
  }

  ready(text: string): void {
    say(`ready ${text}`);
  }

  yielded(): void {
    say("yielded");
  }

  over(error: SheepfsError | null): void {
    say(error === null ? "over" : `over ${error.code} ${error.message.replaceAll("\n", " ")}`);
  }
}

function say(line: string): void {
  try {
    writeSync(textFd, `${line}\n`);
  } catch {
    // The keeper was killed: nobody is left to be told.
  }
}
