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
  /**
   * Asynchronous requests that the kernel may have under way. Fewer than messagesInflightMax, so
   * that look-ups and interrupts still get in when as many reads and writes wait.
   */
  fuseBackgroundMax: 48,
  /** How long the kernel may believe the attributes of a directory or volume. */
  attrCacheMs: 500,
  /** From mount(2) to the kernel's INIT being answered. */
  mountTimeoutMs: 10_000,
  /** How long a mount found on our mountpoint may take to answer before it counts as dead. */
  mountProbeMs: 1_000,
  /** How long `sheepfs mount` waits until its daemon's mount is usable. */
  daemonReadyMs: 30_000,
  /** How long a daemon of no use may take to end before it is killed. */
  daemonEndMs: 2_000,
  /**
   * A server that lives for so long has got over what ended the one before it; so many deaths in a
   * row that come sooner are a reason that starting anew does not cure.
   */
  serverSettleMs: 2_000,
  serverDeathsMax: 5,
  /** How often a server is started that cannot be for want of memory or descriptors, and how soon. */
  serverStartsMax: 120,
  serverStartAgainMs: 500,
  /** How long a program may take until it is loaded and can take over. */
  successorLoadMs: 20_000,
  /** How long a server that is to hand over waits for what is under way. */
  handOverMs: 10_000,
  /** How long `sheepfs upgrade` waits for the keeper. */
  upgradeTimeoutMs: 60_000,
  /** How long `sheepfs umount` waits for a flush: longer than an operation, to hear its reason. */
  unmountFlushMs: 65_000,
  /** Messages taken from the kernel before other work has its turn. */
  messagesPerBurstMax: 256,
  /** Sockets to the gateway in use. */
  connectionsPerGateway: 4,
  /** Payload under way to or from one gateway; more waits in the client. */
  inflightBytesMax: 32 * MiB,
  /** Requests under way on one connection. */
  connectionRequestsMax: 128,
  /**
   * Requests that nobody waits for any more and that are unanswered for so long end their connection
   * once nothing else is under way on it.
   */
  requestTimeoutMs: 30_000,
  /** A connection with requests under way that is silent for so long is asked for a sign of life. */
  quietMs: 500,
  /**
   * A gateway that is silent for so long on every connection, one that was begun to ask it included,
   * is left as soon as another one answers: with the time to connect, failover takes under 2 s.
   */
  silentMs: 1_300,
  /** A connection that is silent for so long is closed, also where no other gateway is known. */
  silentConnectionMs: 10_000,
  /** How long the members have to answer what we ask them about themselves. */
  signTimeoutMs: 5_000,
  /** Pause before a sheep that did not say which cluster it belongs to is asked again. */
  signAgainMs: 5,
  /** Requests for the epoch log of a running cluster until one that is complete is not waited for. */
  epochLogLooksMax: 16,
  /** How often the clock is looked at, so that a pause of the process is noticed. */
  pauseBeatMs: 500,
  /** A process that did nothing for so long was stopped or frozen; no deadline runs in that time. */
  pauseMs: 2_000,
  /** How often requests are looked at for deadlines and cancellation. */
  requestSweepMs: 100,
  /**
   * A write that was answered after a copy of it was lost with a connection is acknowledged when the
   * sheep that had the lost copy has run for so long since, or was gone for so long: what a running
   * sheep has read it has executed by then, as it has executed the same write sent later.
   */
  exclusionMs: 2_000,
  /** Pause between an answer and the next question to a sheep of which it is seen that it runs. */
  exclusionSignMs: 200,
  /** Between two answers of a sheep; after a longer pause it counts as having been stopped. */
  exclusionGapMs: 1_000,
  /**
   * A successor of a killed process writes nothing before every sheep that may have writes of that
   * process has run for so long, or is gone for so long: what they had read they have executed by then.
   */
  successionMs: 400,
  /** Pause between two attempts to hear from a sheep that has a lost copy. */
  exclusionProbeMs: 500,
  /** From when on a request that has to wait is told of, in the log and in cluster/status. */
  waitTellMs: 1_000,
  /** The same for one that a live sheep has and has not answered. */
  waitAnswerTellMs: 5_000,
  /** Reasons of one wait that are logged. */
  waitReasonsToldMax: 8,
  /** A request whose answer contradicted the protocol so often fails. */
  corruptRepliesMax: 3,
  /** Received bytes of one connection that wait to be looked at. */
  receiveBufferBytes: 512 * KiB,
  /** Longest payload that is gathered in the receive buffer and lent from there. */
  lendBytesMax: 128 * KiB,
  /** Slots of a tube, as bytes of whole pages: a pipe of any process may have so many. */
  tubeBytes: MiB,
  /** Tubes of one mount, for four messages of four pieces. Each takes two descriptors. */
  tubesMax: 16,
  /** Tubes that are not lent after one did not take what it was meant for: its pages are small ones. */
  tubeRefusals: 4_096,
  /** Headers and small payloads of one connection that wait to be sent. */
  sendBufferBytes: 256 * KiB,
  /** Longest payload that is copied behind its header; longer ones are sent from where they lie. */
  sendCopyBytesMax: 16 * KiB,
  /** The two buffers of a connection that is made for one request. */
  dedicatedBufferBytes: 32 * KiB,
  /** From a gateway's being good to the look at who else is a member of its cluster. */
  membersLookMs: 1_000,
  /** From a change of members until its recovery has begun where there is one. */
  recoveryBeginsMs: 2_000,
  /** Between two looks whether the members have recovered. */
  recoveryLookMs: 1_000,
  /** How long an object that a sheep has recovered may still be replaced by a recovery under way. */
  recoveryRestMs: 1_000,
  /** Objects that are remembered as written safely while the cluster recovers. */
  touchedObjectsMax: 65_536,
  /** Gateways that we moved away from and that still owe answers. */
  gatewaysRetiringMax: 4,
  /** Attempts to find a gateway that are under way at once. */
  gatewaysTryingMax: 8,
  /** How long one attempt goes on alone. */
  gatewayHedgeMs: 250,
  /** Gateways that one line may name. */
  gatewaysNamedMax: 64,
  /** Members that are kept as gateways although nobody named them. */
  sparesMax: 8,
  /** Members of one list that are asked whether they can be. */
  sparesAskedMax: 64,
  /** Between two looks whether a gateway that is preferred answers again: first, longest. */
  returnLookMs: 3_000,
  returnLookLongestMs: 300_000,
  /** A gateway that is lost so soon after the return to it is looked for less often. */
  returnStableMs: 60_000,
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
  /** A listing of all VDIs holds for so many times what it took: of thousands it takes seconds. */
  listingRestFactor: 4,
  /** How long a stat waits for a rendering before it shows the size of the last one. */
  attrPatienceMs: 2_000,
  /** The same when the one before it waited in vain. */
  attrImpatienceMs: 50,
  /** How long a request of a program that is interrupted may still be answered as if it were not. */
  interruptPatienceMs: 200,
  /** How long a shell that completes a word waits for the cluster's names. */
  completionMs: 1_500,
  /** How long a detach waits for programs that are just closing the volume. */
  detachPatienceMs: 500,
  /** Volumes attached at once. */
  volumesAttachedMax: 1_024,
  /** Between two looks at a VDI that is open, for what others did to it. */
  watchMs: 500,
  /** The same at one that is attached and not open. */
  watchUnusedMs: 5_000,
  /** VDIs that are looked at at once. */
  watchLooksMax: 16,
  /** Longest value of an attribute that is read; an attach record takes 500 bytes. */
  attributeBytesMax: 4 * KiB,
  /** Between two looks whether the attach record of a VDI is still ours. */
  holdCheckMs: 2_000,
  /** The same for its lock in the cluster, of which all VDIs' states are read. */
  lockCheckMs: 15_000,
  /** How long a holder whose lock is broken has to stop writing before the VDI is free. */
  lockBreakMs: 15_000,
  /** Pause between two looks whether it has. */
  lockBreakPollMs: 250,
  /** For how long a stat believes the last look at a VDI. */
  volumeAttrMs: 400,
  /** Pieces of a volume that an export or import has under way, and how large they are. */
  backupInflightMax: 8,
  backupPieceBytes: MiB,
  /** Runs of blocks of one owner that are asked of an index at once. */
  slotRunsMax: 4_096,
  /** After so many bytes it is noted how far an export is, so that another one can go on there. */
  backupNotesBytes: 64 * MiB,
  /** What an increment says of itself, at its beginning and its end. */
  incrementTextBytesMax: 64 * KiB,
  /** Zeros of so many bytes, where so many can begin, are not written. */
  backupHoleBytes: 64 * KiB,
  /** `qemu-img` that neither reads nor writes for so long is ended; so long it has to end then. */
  qemuQuietMs: 120_000,
  qemuKilledMs: 5_000,
  /** Of what it says so much is kept. */
  qemuSaidBytesMax: MiB,
  /** Objects whose copies `vdi check` compares at once, and how much of each copy it has of one. */
  checkObjectsInflightMax: 8,
  checkPieceBytes: MiB,
  /** Words of one object in which copies differ that are kept until the next look. */
  checkUnlikeMax: 4_096,
  /** Objects of VM state that a header may claim, 1 TiB of them usually. */
  checkVmStateObjectsMax: 2 ** 18,
  /** An object that seems damaged may be just being written: it is looked at again, after a while. */
  checkLooksMax: 4,
  checkPauseMs: 300,
  /** Damages that are told one by one; more are only counted. */
  checkDamagesMax: 10_000,
  /** Bytes that a command has of a file at once, twice. */
  commandBytes: MiB,
  /** Files in volume/ that were made and have no size yet. */
  newVolumesMax: 64,
  /** How long such a file waits for who opens it and gives it one. */
  newVolumeMs: 60_000,
  /** Loaded parts of all volumes' indexes; older ones are dropped and read again when needed. */
  indexCacheBytesMax: 32 * MiB,
  /** Index writes of one volume under way; what changes meanwhile is gathered into the next. */
  indexWritesInflightMax: 8,
  /** Slots in one index write: a sheep reads and rewrites 12 bytes for each of them. */
  indexRunSlotsMax: 4_096,
  /** Index read at once when all of it is looked through. */
  indexScanBytes: 256 * KiB,
  /** Entries of a B-tree node of ours: rewritten at 8 bytes each, and 2^32 fit in half-full nodes. */
  btreeNodeEntriesMax: 65_536,
  /** Blocks of one discard that are closed to writes at once. */
  discardBlocksInflightMax: 64,
  /** How often waiting writes are looked at for a deadline that passed. */
  lockSweepMs: 250,
  /** How long a snapshot made elsewhere may take until its new working VDI can be found. */
  snapshotWaitMs: 10_000,
  /** Pause between two looks for it. */
  snapshotPollMs: 50,
  /** How long who wants to give a name another working VDI waits for others who do. */
  headTurnWaitMs: 15_000,
  headTurnPollMs: 50,
  /** Who does it shows this often that it is alive; after so long without a sign it is not. */
  headTurnBeatMs: 2_000,
  headTurnBreakMs: 10_000,
  /** After so long one of several who took the turn of a dead one knows whether it was the last. */
  headTurnSettleMs: 500,
  /** How long a working VDI that is not made from ours may be one that a race has left for a moment. */
  headSettleMs: 2_000,
  /** Snapshots between our vid and the working VDI that are followed. */
  snapshotChainMax: 1_024,
  /** A write that was sent to so many snapshots in turn fails as read-only. */
  snapshotRetriesMax: 8,
  /** How long writes are held back for a snapshot; one that takes longer is given up. */
  writesHeldMs: 10_000,
  /** VDIs that are snapshotted at one moment: a sheep makes one after the other, in 0.1 to 0.3 s each. */
  snapshotGroupMax: 16,
  /** How long a snapshot's header is taken as read: all but its tag never changes. */
  snapshotHeadersMs: 30_000,
  /** Blocks copied at once when a volume moves to its new working VDI. */
  snapshotCopiesInflightMax: 4,
  /**
   * How long a block that is written anew waits for the object of before its discard to go, until it
   * is found out whether those who were to remove it have run for a while, or are gone.
   */
  removalWaitMs: 1_000,
  /** Pause between two looks for it, before that and then. */
  removalPollMs: 20,
  removalLookMs: 250,
  /** What a sheep was to remove it has removed when it has run for so long since. */
  removalRunMs: 10_000,
  /** Inodes that a listing of VDIs reads at once. */
  inodeReadsInflightMax: 32,
  /** First read of an inode: its header and the slots of most volumes (11 GiB at 4 MiB a block). */
  inodeFirstBytes: 16 * KiB,
  /** Sheep that are asked at once for their space. */
  nodeCallsInflightMax: 16,
  /** Longest part of the epoch log that is asked for: 50,000 epochs of three nodes. */
  epochLogBytesMax: 12 * MiB,
  /** Looks at a name that changes its VDI meanwhile, or for what a lost answer may have done. */
  vdiLooksMax: 4,
  /** Snapshots that a message names. */
  snapshotsNamedMax: 8,
  /** VIDs behind a name's hash in which a message looks for its snapshots. */
  snapshotsSoughtMax: 1_024,
  /** Room for the states of VDIs that is offered first; it is doubled while it is too small. */
  vdiStatesFirstBytes: 256 * KiB,
  /** Request and transfer objects kept for reuse by one volume. */
  pooledRequestsMax: 512,
  /** Open handles of one frontend. */
  handlesMax: 65_536,
  /** Longest text of an open file that a successor of this process gets. */
  savedTextBytesMax: 64 * KiB,
  /** All of them; what is opened beyond that is stale after a restart. */
  savedTextsBytesMax: 4 * MiB,
  /** Notes for a successor beyond which they are written anew, without what is over. */
  notesBytesMax: 4 * MiB,
  /** One file of the embedded sheep's journal, filled with zeros when it is made. */
  sheepJournalBytes: 4 * MiB,
  /** What it may grow to: a snapshot of a full index is one record of 20 MiB and more. */
  sheepJournalBytesMax: 96 * MiB,
  /** Changed pages of metadata that are kept in memory until they are carried over: 16 MiB. */
  sheepDirtyPagesMax: 32_768,
  /** Slots of one index write that one journal record covers. */
  sheepSlotsPerRecord: 4_096,
  /** Files that the embedded sheep keeps open; a process may have 1,024 on most systems. */
  sheepOpenFilesMax: 512,
  /** How long the embedded sheep leaves acknowledged writes to the page cache. */
  sheepSyncMs: 5_000,
  /** How soon space that was freed shows up. */
  sheepReclaimMs: 200,
  /** Largest payload of a request to the embedded sheep, or of one answer. */
  sheepRequestBytesMax: 64 * MiB,
  /** Payload that one client may have in the embedded sheep before it is read no further. */
  sheepClientBytesMax: 8 * MiB,
  /** Requests of one client under way in the embedded sheep before it is read no further. */
  sheepClientRequestsMax: 1_024,
  /** HTTP connections at once; one more is refused with 503. */
  httpConnectionsMax: 4_096,
  /** Of those, how many are told so at once; the others are closed without a word. */
  httpRefusalsMax: 64,
  /** Request line and header fields together. */
  httpHeadBytesMax: 16 * KiB,
  /** Longest head that a connection remembers, so as not to take the next one like it apart. */
  httpHeadRememberedBytesMax: KiB,
  httpTargetBytesMax: 8 * KiB,
  /** Header fields of one request. */
  httpFieldsMax: 100,
  /** Read at once from a connection whose body nobody asks for; what waits there is no more. */
  httpReadBytes: 16 * KiB,
  /** One line between chunks: a size with its extensions. */
  httpChunkLineBytesMax: 4 * KiB,
  /** Reads of one chunked body in one turn of the event loop that begin between its chunks. */
  httpFrameReadsMax: 8,
  /** Fields behind the last chunk, which nobody looks at. */
  httpTrailerBytesMax: 8 * KiB,
  /** From the first byte of a request, or from connecting, to the end of its header. */
  httpHeadTimeoutMs: 20_000,
  /** Between two requests of one connection. */
  httpIdleTimeoutMs: 120_000,
  /** A body of which nothing comes for so long. */
  httpBodySilenceMs: 60_000,
  /** A reader may be slow; one that takes nothing at all for so long is gone. */
  httpStallMs: 60_000,
  /** How long a connection that we end is read on, so that the last answer is not lost. */
  httpLingerMs: 2_000,
  /** The unread rest of a body that is read and thrown away to keep the connection. */
  httpDrainBytesMax: 64 * KiB,
  /** How often connections are looked at for silence; every HTTP timeout is as exact as this. */
  httpSweepMs: 500,
  /** One read of a body that is streamed; a reply of this size is lent and not copied. */
  davReadBytes: 128 * KiB,
  /** All bytes read and not yet sent to clients, whoever they are. */
  davReadBytesMax: 32 * MiB,
  /** Reads under way or waiting for their turn in one answer. */
  davReadsAheadMax: 4,
  /** Ranges in one request; more are answered with the whole file, as RFC 9110 allows. */
  davRangesMax: 16,
  /** Lines for a control file in one request. */
  davCommandBytesMax: 8 * KiB,
  /** One write of a body. */
  davWriteBytes: MiB,
  /** Writes of a body end at a multiple of this where they can: sheep read and rewrite no less. */
  davWriteAlignBytes: 4 * KiB,
  /** All bytes of bodies that are being written. */
  davWriteBytesMax: 32 * MiB,
  /** Users of one htpasswd file. */
  usersMax: 4_096,
  /** Logins that were found right and need not be hashed again. */
  loginsCachedMax: 256,
  /** Peers whose failed logins are remembered; the one that failed longest ago is forgotten first. */
  loginPeersMax: 4_096,
  /** Logins of one peer that wait for their turn; one more is refused with 429. */
  loginWaitsMax: 8,
  /** A peer's next try after its first failure, doubled with each further one: first, longest. */
  loginDelayFirstMs: 250,
  loginDelayLongestMs: 8_000,
  /** A peer that has not failed for so long begins anew. */
  loginForgetMs: 300_000,
  /** Passwords that are hashed at once, each a core's work for tens of milliseconds. */
  loginHashesMax: 2,
  /** Logins that wait to be hashed, whoever they are; one more is refused with 503. */
  loginHashesQueuedMax: 256,
  /** Entries of a directory on one page of it. */
  pageEntriesMax: 500,
  /** Entries that are looked at at once for a page. */
  pageLooksMax: 16,
  /** Texts that are shown on the page of their directory, and how much of each. */
  pageTextsMax: 8,
  pageTextBytesMax: 16 * KiB,
  /** How long a page waits for what the cluster has to say; then it is shown without. */
  pagePatienceMs: 3_000,
  /** Lines of the access log that wait for the disk; more are counted and lost. */
  accessLogBytesMax: MiB,
  /** Locks of the WebDAV server at once. */
  davLocksMax: 1_024,
  /** Shared locks that hold for one node: every listing tells all of them for each. */
  davLocksSharedMax: 16,
  /** What a client says about itself when it locks. */
  davLockOwnerBytesMax: 2 * KiB,
  /** How long a lock holds: what a client may ask for at least and most, and when it says nothing. */
  davLockSecondsMin: 5,
  davLockSecondsMax: 3_600,
  davLockSecondsDefault: 600,
  /** Conditions in one If header field. */
  davConditionsMax: 256,
  /** Body of PROPFIND, PROPPATCH or LOCK, and how long it may take to come. */
  davXmlBytesMax: 128 * KiB,
  davXmlTimeoutMs: 30_000,
  /** Elements in such a body, and how deep in each other. */
  davXmlElementsMax: 4_096,
  davXmlDepthMax: 32,
  /** Characters of a namespace, and of a language that many properties have from one element. */
  davXmlNamespaceMax: 512,
  davXmlLanguageMax: 64,
  /** Properties that one PROPFIND asks for by name, of each of many nodes. */
  davPropertiesAskedMax: 256,
  /** Memory of one answer about many nodes; 1,024 volumes with all properties take 2 MiB. */
  davAnswerBytesMax: 16 * MiB,
  /** Of all such answers that are being made or sent; one more is refused with 503. */
  davAnswersBytesMax: 64 * MiB,
  /** Such an answer is given to its connection as a whole until it is so long. */
  davAnswerWholeBytes: 64 * KiB,
  /** Nodes of a directory that are asked for their attributes at once. */
  davAttrsInflightMax: 32,
  /** Memory for properties that clients have noted about nodes. */
  davPropertiesBytesMax: 8 * MiB,
  /** The scratch collection: files and directories, bytes in all of them, directories in each other. */
  scratchNodesMax: 4_096,
  scratchBytesMax: 64 * MiB,
  scratchDepthMax: 32,
} as const;

assert(
  limits.inflightBytesMax >= limits.piecesInflightMax * limits.pieceBytesMax,
  "one transfer fits in flight",
);
assert(
  limits.fuseBackgroundMax + 8 <= limits.messagesInflightMax,
  "some messages are left for what is not asynchronous",
);
assert(
  limits.connectionRequestsMax <= 240,
  "every request of a connection has a slot, and some are left for signs of life",
);
assert(limits.dedicatedBufferBytes >= 256 * 48, "the headers of all slots fit a send buffer");
assert(limits.pieceBytesMax <= limits.messageBytesMax, "a message is at least one piece");
assert(limits.quietMs < limits.silentMs, "a gateway is asked before it counts as silent");
assert(limits.silentMs < limits.silentConnectionMs, "a gateway is left before it is given up");
assert(
  limits.exclusionGapMs * 2 <= limits.exclusionMs,
  "a sheep that has run for long enough was seen several times",
);
assert(limits.operationTimeoutMs >= limits.requestTimeoutMs, "an operation outlives one request");
assert(
  limits.headTurnBreakMs >= 4 * limits.headTurnBeatMs,
  "who lives and reaches the cluster has shown it several times before it is taken for dead",
);
assert(
  limits.headTurnWaitMs >= limits.headTurnBreakMs + 2 * limits.headTurnBeatMs,
  "who waits sees that whoever it waits for is dead",
);
assert(limits.unmountFlushMs > limits.operationTimeoutMs, "an unmount hears why a flush failed");
assert(
  limits.lockBreakMs >= 2 * (limits.watchUnusedMs + limits.holdCheckMs),
  "who lives and reaches the cluster has seen that its lock is broken before it is another's",
);
assert(
  limits.attrCacheMs + limits.volumeAttrMs <= 1_000,
  "a stat shows a size that was changed elsewhere within a second",
);
assert(limits.httpTargetBytesMax < limits.httpHeadBytesMax, "a target fits in a header");
assert(limits.davReadBytes <= limits.lendBytesMax, "a streamed read can be lent");
assert(
  limits.davReadBytesMax >= limits.davReadBytes * limits.davReadsAheadMax,
  "one answer has all the reads it may have",
);
