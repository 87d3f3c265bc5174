import { assert } from "./assert.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Every bound of the program, with its unit and reason. Change one here and nowhere else. */
export const limits = {
  /** Largest piece of one object request: a sheep is several times slower from 512 KiB on. */
  pieceBytesMax: 256 * KiB,
  /** Pieces of one transfer under way at once. */
  piecesInflightMax: 8,
  /** Largest FUSE READ or WRITE. */
  messageBytesMax: MiB,
  /** FUSE messages under way; each owns one slab until it is answered. */
  messagesInflightMax: 64,
  /** Sockets to the gateway in use. */
  connectionsPerGateway: 4,
  /** Payload under way to or from one gateway; more waits in the client. */
  inflightBytesMax: 32 * MiB,
  /** Requests under way on one connection. */
  connectionRequestsMax: 128,
  /** A request without an answer for so long fails its connection. */
  requestTimeoutMs: 30_000,
  /** A connection attempt. */
  connectTimeoutMs: 3_000,
  /** Pause between attempts to reconnect: first, longest. */
  backoffFirstMs: 50,
  backoffLongestMs: 2_000,
  /** How long an operation waits for a gateway or a cluster that is not ready. */
  operationTimeoutMs: 60_000,
  /** Largest payload of a reply that is believed: the two vid bitmaps are 2 MiB, an inode 12 MiB. */
  replyBytesMax: 16 * MiB,
  /** One line written to a control file. */
  controlLineBytesMax: 4 * KiB,
  /** Results that a control file remembers. */
  controlResultsMax: 16,
  /** How long a rendered text is served again. */
  textCacheMs: 1_000,
  /** Volumes attached at once. */
  volumesAttachedMax: 1_024,
  /** Open handles of one frontend. */
  handlesMax: 65_536,
} as const;

assert(
  limits.inflightBytesMax >= limits.piecesInflightMax * limits.pieceBytesMax,
  "one transfer fits in flight",
);
assert(limits.pieceBytesMax <= limits.messageBytesMax, "a message is at least one piece");
assert(limits.operationTimeoutMs >= limits.requestTimeoutMs, "an operation outlives one request");
