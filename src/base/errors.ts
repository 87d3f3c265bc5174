/** Every way in which an operation of sheepfs can fail; frontends map each to their own numbers. */
export type ErrorCode =
  | "not_found"
  | "exists"
  | "not_directory"
  | "is_directory"
  | "not_empty"
  | "invalid"
  | "name_too_long"
  | "range"
  | "read_only"
  | "denied"
  | "busy"
  | "no_space"
  | "too_large"
  | "not_supported"
  | "cancelled"
  | "overload"
  | "not_ready"
  | "unavailable"
  | "timed_out"
  | "version"
  | "corrupt"
  | "stale"
  | "internal";

export interface ErrorRow {
  /** When the code is used, as the documents print it. */
  readonly meaning: string;
  /** Exit status of a command that ends with it; 0-5 and 64 mean what `dog` means by them. */
  readonly exit: number;
}

export const errorTable: Record<ErrorCode, ErrorRow> = {
  not_found: { meaning: "no such name, tag or VDI", exit: 5 },
  exists: { meaning: "the name is taken", exit: 3 },
  not_directory: { meaning: "a directory is needed here", exit: 1 },
  is_directory: { meaning: "a file is needed here", exit: 1 },
  not_empty: { meaning: "it has snapshots or children", exit: 1 },
  invalid: { meaning: "a line, name, size or alignment that cannot be", exit: 1 },
  name_too_long: { meaning: "a name of more than 255 bytes", exit: 1 },
  range: { meaning: "outside what can be read", exit: 1 },
  read_only: { meaning: "a snapshot, or mounted or attached read-only", exit: 1 },
  denied: { meaning: "not yours to do", exit: 1 },
  busy: { meaning: "in use or locked; the message names the holder", exit: 1 },
  no_space: { meaning: "the cluster or its VDI table is full", exit: 4 },
  too_large: { meaning: "beyond the end of the volume or a limit", exit: 1 },
  not_supported: { meaning: "not something that can be done here", exit: 1 },
  cancelled: { meaning: "interrupted", exit: 130 },
  overload: { meaning: "a bound of sheepfs or of the sheep was reached", exit: 2 },
  not_ready: { meaning: "the cluster is unformatted, joining, halted or recovering", exit: 2 },
  unavailable: { meaning: "no gateway answered until the deadline", exit: 2 },
  timed_out: { meaning: "the gateway is alive, its answer did not come", exit: 2 },
  version: { meaning: "the peer does not speak our protocol", exit: 2 },
  corrupt: { meaning: "bytes contradict the protocol or each other", exit: 2 },
  stale: { meaning: "the node or handle no longer exists", exit: 1 },
  internal: { meaning: "a bug of sheepfs; the log has the stack", exit: 2 },
};

export function isErrorCode(word: string): word is ErrorCode {
  return Object.hasOwn(errorTable, word);
}

/** Exit status for a command line that cannot be understood. */
export const exitUsage = 64;

/** Exit status of a check that has found damage, or something else that somebody has to see to. */
export const exitDamage = 6;

/** The one error class. The message names the input and says what to do. */
export class SheepfsError extends Error {
  override readonly name = "SheepfsError";
  readonly code: ErrorCode;
  /**
   * True when a write failed but may still be executed later by a gateway that fell silent. Its
   * range must stay closed to later writes until the request's `resolved()` is called.
   */
  readonly inDoubt: boolean;
  /** The log has it already; who sees it later need not tell it again. */
  told = false;

  constructor(
    code: ErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly inDoubt?: boolean },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.inDoubt = options?.inDoubt ?? false;
  }
}

/** What any thrown value is to us: itself when it is ours, else a bug, kept as the cause. */
export function asSheepfsError(thrown: unknown): SheepfsError {
  if (thrown instanceof SheepfsError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new SheepfsError("internal", `unexpected: ${text}`, { cause: thrown });
}
