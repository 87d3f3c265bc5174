/** What happened so far. */
export interface DispatchCounters {
  requests: number;
  replays: number;
  /** Results that were tried again. */
  retries: number;
  connectionsLost: number;
  /** Reads and writes that were sent again since the members of the cluster changed meanwhile. */
  repeats: number;
  /** Requests that ended with inDoubt. */
  inDoubt: number;
}

export function newCounters(): DispatchCounters {
  return { requests: 0, replays: 0, retries: 0, connectionsLost: 0, repeats: 0, inDoubt: 0 };
}
