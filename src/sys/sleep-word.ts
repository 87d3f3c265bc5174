/** What the waiter thread does, in the first of the shared words. */
export const sleepWord = {
  /** It waits for this word to change. */
  rest: 0,
  /** It waits for the set's descriptors, then rests and reports. */
  watch: 1,
  end: 2,
} as const;

/** What the thread is started with. */
export interface WaiterTask {
  readonly setFd: number;
  readonly words: Int32Array<SharedArrayBuffer>;
}

/** What it says: that it has begun, and that something is ready. */
export type WaiterReport = "begun" | "ready";
