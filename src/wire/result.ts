import { type ErrorCode, SheepfsError } from "../base/errors.ts";

/**
 * What a client does about a result: nothing (`done`), try the same gateway again after a pause
 * (`retry`), try another gateway (`elsewhere`), or fail with the row's code.
 */
export type ResultAction = "done" | "retry" | "elsewhere" | "fail";

export interface ResultRow {
  readonly code: number;
  readonly action: ResultAction;
  /** What it becomes when it fails, or when there is no time to try again. */
  readonly error: ErrorCode;
  readonly meaning: string;
}

const row = (code: number, action: ResultAction, error: ErrorCode, meaning: string): ResultRow => ({
  code,
  action,
  error,
  meaning,
});

/** Results of requests. Source: protocol §4 */
export const results = {
  success: row(0x00, "done", "internal", "success"),
  unknown: row(0x01, "fail", "internal", "unknown error of the sheep"),
  /** Whether the index is out of date or data is lost is for the volume to find out. */
  noObject: row(0x02, "fail", "stale", "no such object"),
  io: row(0x03, "fail", "corrupt", "I/O error of the sheep"),
  vdiExists: row(0x04, "fail", "exists", "it exists already"),
  invalidParameters: row(0x05, "fail", "invalid", "invalid parameters"),
  systemError: row(0x06, "fail", "internal", "system error of the sheep"),
  vdiLocked: row(0x07, "fail", "busy", "the VDI is locked"),
  noVdi: row(0x08, "fail", "not_found", "no such VDI"),
  noBaseVdi: row(0x09, "fail", "not_found", "no base VDI"),
  vdiRead: row(0x0a, "fail", "corrupt", "the VDI cannot be read"),
  vdiWrite: row(0x0b, "fail", "corrupt", "the VDI cannot be written"),
  baseVdiRead: row(0x0c, "fail", "not_found", "the base VDI cannot be read"),
  baseVdiWrite: row(0x0d, "fail", "corrupt", "the base VDI cannot be written"),
  noTag: row(0x0e, "fail", "not_found", "no such snapshot"),
  startingUp: row(0x0f, "retry", "not_ready", "the sheep is starting up"),
  vdiNotLocked: row(0x10, "fail", "invalid", "the VDI is not locked"),
  shuttingDown: row(0x11, "elsewhere", "unavailable", "the sheep is shutting down"),
  noMemory: row(0x12, "retry", "overload", "the sheep is out of memory"),
  fullVdi: row(0x13, "fail", "no_space", "no vid is free"),
  version: row(0x14, "fail", "version", "the sheep speaks another version of the protocol"),
  noSpace: row(0x15, "fail", "no_space", "the cluster is full"),
  waitForFormat: row(
    0x16,
    "fail",
    "not_ready",
    "the cluster is not formatted; format it with: dog cluster format",
  ),
  waitForJoin: row(0x17, "retry", "not_ready", "the cluster waits for other nodes"),
  joinFailed: row(0x18, "elsewhere", "not_ready", "the sheep failed to join"),
  halted: row(0x19, "retry", "not_ready", "the cluster has halted: too few nodes"),
  readOnly: row(0x1a, "fail", "read_only", "the VDI is a snapshot"),
  inodeInvalidated: row(0x1d, "fail", "stale", "the inode was changed by another client"),
  oldEpoch: row(0x81, "retry", "not_ready", "the request has an old epoch"),
  newEpoch: row(0x82, "retry", "not_ready", "the request has a newer epoch"),
  notFormatted: row(
    0x83,
    "fail",
    "not_ready",
    "the cluster is not formatted; format it with: dog cluster format",
  ),
  invalidCtime: row(0x84, "fail", "not_ready", "the cluster's creation time differs"),
  invalidEpoch: row(0x85, "fail", "not_ready", "invalid epoch"),
  network: row(0x86, "retry", "unavailable", "network error between the sheep"),
  noCache: row(0x87, "fail", "internal", "no cache object"),
  bufferSmall: row(0x88, "fail", "overload", "the answer does not fit the buffer"),
  forceRecover: row(0x89, "fail", "invalid", "recovery is not possible"),
  noStore: row(0x8a, "fail", "invalid", "no such store"),
  notSupported: row(0x8b, "fail", "not_supported", "the store does not support it"),
  inRecovery: row(0x8c, "retry", "not_ready", "the sheep is recovering"),
  killed: row(0x8d, "elsewhere", "unavailable", "the sheep was killed"),
  oidExists: row(0x8e, "fail", "exists", "the object exists"),
  again: row(0x8f, "retry", "not_ready", "try again"),
  staleObject: row(0x90, "retry", "not_ready", "the object is out of date"),
  clusterDriver: row(0x91, "fail", "unavailable", "error of the cluster driver"),
  vdiNotEmpty: row(0x92, "fail", "not_empty", "the VDI is not empty"),
  notFound: row(0x93, "fail", "not_found", "not found"),
  incomplete: row(0x94, "fail", "not_ready", "incomplete upload"),
  collectingInfo: row(0x95, "retry", "not_ready", "the cluster collects its state"),
  gatewayMode: row(0x97, "elsewhere", "unavailable", "the sheep is a gateway only"),
  vnodesStrategy: row(0x98, "fail", "invalid", "wrong strategy of virtual nodes"),
  noCheckpoint: row(0x99, "fail", "not_found", "no such checkpoint"),
} as const satisfies Record<string, ResultRow>;

const byCode: Array<ResultRow | undefined> = [];
for (const result of Object.values(results)) byCode[result.code] = result;

/** The row of a result; one that nobody assigned is an internal error naming its number. */
export function resultRow(code: number): ResultRow {
  const known = byCode[code];
  if (known !== undefined) return known;
  return row(
    code,
    "fail",
    "internal",
    `the sheep answered an unknown result 0x${code.toString(16)}`,
  );
}

/** The error that a result is when it ends a request. */
export function resultError(code: number): SheepfsError {
  const { error, meaning } = resultRow(code);
  return new SheepfsError(error, meaning);
}
