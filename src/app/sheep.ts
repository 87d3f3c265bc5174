import type { Address } from "../base/address.ts";
import type { Logger } from "../base/log.ts";
import { startSheep } from "../sheep/server.ts";
import { endingSignals, nextSignal } from "./signals.ts";

export interface SheepWish {
  readonly dir: string;
  /** Port 0 takes a free one. */
  readonly listen: Address;
  readonly copies: number;
}

/** Runs the embedded sheep until SIGTERM or Ctrl-C; `listening` is told its address. */
export async function runSheep(
  wish: SheepWish,
  log: Logger,
  listening: (address: Address) => Promise<void>,
): Promise<void> {
  const signal = nextSignal(endingSignals);
  const sheep = await startSheep({ ...wish, log });
  try {
    await listening(sheep.address);
    log.info(`${await signal}: closing`);
  } finally {
    await sheep.stop();
  }
}
