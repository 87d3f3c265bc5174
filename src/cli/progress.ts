import type { Progress } from "../base/progress.ts";
import { sizeWithUnit } from "./size-text.ts";

const firstMs = 1_000;
const nextMs = 500;
const barCells = 24;

/**
 * A bar on stderr for what takes longer than a second, where a person looks: rate, and time left.
 * @returns what is to be told, and what clears the line at the end
 */
export function progressBar(what: string): { tell(progress: Progress): void; end(): void } {
  const startedMs = performance.now();
  let shownMs = startedMs + firstMs - nextMs;
  let shown = false;
  return {
    tell: ({ doneBytes, totalBytes }) => {
      const nowMs = performance.now();
      if (!process.stderr.isTTY || nowMs - shownMs < nextMs) return;
      shownMs = nowMs;
      shown = true;
      const line = progressLine({ doneBytes, totalBytes }, (nowMs - startedMs) / 1000);
      process.stderr.write(`\r${what} ${line}\u001b[K`);
    },
    end: () => {
      if (shown) process.stderr.write("\r\u001b[K");
    },
  };
}

/** `[#####...] 45% 1.2 GiB, 310 MiB/s, 12 s left` */
export function progressLine({ doneBytes, totalBytes }: Progress, seconds: number): string {
  const part = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const cells = Math.floor(part * barCells);
  const bar = `[${"#".repeat(cells)}${".".repeat(barCells - cells)}]`;
  const rate = seconds > 0 ? doneBytes / seconds : 0;
  const left = rate > 0 ? Math.ceil((totalBytes - doneBytes) / rate) : 0;
  const percent = `${Math.floor(part * 100)}%`;
  return `${bar} ${percent} ${sizeWithUnit(doneBytes)}, ${sizeWithUnit(rate)}/s, ${left} s left`;
}
