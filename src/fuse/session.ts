import { asSheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import {
  BatchForgetIn,
  ForgetIn,
  ForgetOne,
  fuseMajor,
  fuseMinor,
  fuseMinorLeast,
  InHeader,
  InitIn,
  InitInExtended,
  InitOut,
  InterruptIn,
  initFlag,
  initFlag2,
} from "./abi.ts";
import { errno } from "./errno.ts";
import { bodyAt, type Message, replyBodyAt } from "./message.ts";
import {
  isLongEnough,
  type MessageName,
  messageNames,
  messageTable,
  printMessage,
} from "./messages.ts";
import type { Handler, OpsContext } from "./ops.ts";
import { attrHandlers } from "./ops-attr.ts";
import { dirHandlers } from "./ops-dir.ts";
import { closeFile, ioHandlers } from "./ops-io.ts";
import { nameHandlers } from "./ops-names.ts";
import { refusedHandlers } from "./ops-refused.ts";
import { xattrHandlers } from "./ops-xattr.ts";
import type { Negotiated } from "./saved.ts";

const pageBytes = 4096;

const wantedFlags =
  initFlag.asyncRead |
  initFlag.atomicTrunc |
  initFlag.bigWrites |
  // A cached page is dropped when the file's mtime or size is seen to have changed.
  initFlag.autoInvalData |
  initFlag.readdirPlus |
  initFlag.readdirPlusAuto |
  initFlag.asyncDio |
  initFlag.parallelDirops |
  initFlag.maxPages |
  // No file has a set-id bit or capabilities, so the kernel need not ask before each write.
  initFlag.handleKillprivV2 |
  initFlag.initExt;

const wantedFlags2 = initFlag2.directIoAllowMmap | initFlag2.hasResend;

type SessionState =
  | { readonly at: "new" }
  | { readonly at: "ready"; readonly negotiated: Negotiated }
  | { readonly at: "ended" };

/** Where the session finds the requests that an INTERRUPT may name. */
export interface MessagesInFlight {
  readonly messages: readonly Message[];
}

/**
 * The conversation with one kernel: takes each message to its handler and sees that it is answered
 * exactly once. Knows neither the device nor the mount.
 */
export class Session {
  readonly #context: OpsContext;
  readonly #inFlight: MessagesInFlight;
  readonly #onReady: () => void;
  readonly #handlers: readonly (Handler | undefined)[];
  readonly #names: readonly (MessageName | undefined)[];
  #state: SessionState = { at: "new" };

  constructor(context: OpsContext, inFlight: MessagesInFlight, onReady: () => void) {
    this.#context = context;
    this.#inFlight = inFlight;
    this.#onReady = onReady;
    const handlers: Record<MessageName, Handler> = {
      ...dirHandlers,
      ...attrHandlers,
      ...ioHandlers,
      ...nameHandlers,
      ...xattrHandlers,
      ...refusedHandlers,
      INIT: (message) => this.#init(message),
      FORGET: (message) => this.#forget(message),
      BATCH_FORGET: (message) => this.#batchForget(message),
      INTERRUPT: (message) => this.#interrupt(message),
      DESTROY: (message) => {
        this.end();
        message.reply(0);
      },
      // The answer to a notification that we never send.
      NOTIFY_REPLY: (message) => message.drop(),
    };
    const byOpcode: (Handler | undefined)[] = [];
    const names: (MessageName | undefined)[] = [];
    for (const name of messageNames) {
      byOpcode[messageTable[name].opcode] = handlers[name];
      names[messageTable[name].opcode] = name;
    }
    this.#handlers = byOpcode;
    this.#names = names;
  }

  get negotiated(): Negotiated | null {
    return this.#state.at === "ready" ? this.#state.negotiated : null;
  }

  /** Goes on with what was agreed, now or by a predecessor. */
  resume(negotiated: Negotiated): void {
    this.#state = { at: "ready", negotiated };
  }

  /** Takes a message that has begun; it is answered by the time this returns, or later. */
  handle(message: Message): void {
    const { log } = this.#context;
    if (log.debugging) log.debug(printMessage(message.buffer.subarray(0, message.bytes)));
    const name = this.#names[message.opcode];
    const handler = this.#handlers[message.opcode];
    if (name === undefined || handler === undefined) {
      message.fail(errno.ENOSYS);
    } else if (!isLongEnough(name, message.bytes)) {
      this.#refuse(message, name, errno.EINVAL);
    } else if (this.#state.at !== "ready" && name !== "INIT" && name !== "DESTROY") {
      this.#refuse(message, name, errno.EIO);
    } else {
      this.#run(handler, message);
    }
  }

  /** Nothing is expected any more; what is under way may still be answered. */
  end(): void {
    this.#state = { at: "ended" };
  }

  /** Cancels what is under way: the kernel is gone, or we have to be. */
  cancelAll(): void {
    for (const message of this.#inFlight.messages) if (message.working) message.scope.cancel();
  }

  /** Closes what the kernel left open, as it does not send a RELEASE after an unmount. */
  closeAll(): void {
    for (const handle of this.#context.handles.clear()) {
      if (handle.kind === "file") closeFile(handle, this.#context);
    }
  }

  #run(handler: Handler, message: Message): void {
    try {
      const answered = handler(message, this.#context);
      if (answered !== undefined) {
        answered.catch((thrown: unknown) => this.#answerThrown(message, thrown));
      }
    } catch (thrown) {
      this.#answerThrown(message, thrown);
    }
  }

  #answerThrown(message: Message, thrown: unknown): void {
    const error = asSheepfsError(thrown);
    // A handler that threw after its answer has a bug, but the kernel must not get a second one.
    if (!message.working) this.#context.log.error("a handler failed after its answer", error);
    else if (ioOpcodes.has(message.opcode)) message.failIo(error);
    else message.failWith(error);
  }

  #refuse(message: Message, name: MessageName, error: number): void {
    if (messageTable[name].answer === "none") message.drop();
    else message.fail(error);
  }

  #init(message: Message): void {
    const { view } = message;
    const asked = InitIn.read(view, bodyAt);
    if (asked.major > fuseMajor) {
      // The kernel asks again, in our version.
      InitOut.write(view, replyBodyAt, { ...nothingAgreed, maxReadahead: 0 });
      message.reply(InitOut.size);
      return;
    }
    if (asked.major < fuseMajor || asked.minor < fuseMinorLeast) {
      const has = `${asked.major}.${asked.minor}`;
      this.#context.log.error(
        `the kernel speaks FUSE ${has}; 7.${fuseMinorLeast} is the oldest known here`,
      );
      message.fail(errno.EPROTO);
      return;
    }
    const extended =
      (asked.flags & initFlag.initExt) !== 0 &&
      message.bytes >= InHeader.size + InitInExtended.size;
    const flags2Asked = extended ? InitInExtended.read(view, bodyAt).flags2 : 0;
    const negotiated: Negotiated = {
      minor: Math.min(asked.minor, fuseMinor),
      flags: asked.flags & wantedFlags,
      flags2: flags2Asked & wantedFlags2,
    };
    InitOut.write(view, replyBodyAt, {
      ...nothingAgreed,
      minor: negotiated.minor,
      flags: negotiated.flags,
      flags2: negotiated.flags2,
      maxReadahead: asked.maxReadahead,
    });
    this.#context.notes?.note({ is: "negotiated", negotiated });
    this.resume(negotiated);
    message.reply(InitOut.size);
    this.#onReady();
  }

  #forget(message: Message): void {
    this.#context.nodes.forget(message.nodeId, message.u64(ForgetIn.offsets.lookups));
    message.drop();
  }

  #batchForget(message: Message): void {
    const { view } = message;
    const first = bodyAt + BatchForgetIn.size;
    const room = Math.floor((message.bytes - first) / ForgetOne.size);
    const count = Math.min(message.u32(BatchForgetIn.offsets.count), room);
    for (let index = 0; index < count; index += 1) {
      const { nodeId, lookups } = ForgetOne.read(view, first + index * ForgetOne.size);
      this.#context.nodes.forget(nodeId, lookups);
    }
    message.drop();
  }

  /**
   * The interrupted request is still answered, by whoever has it, mostly with EINTR. That waits a
   * moment, as most are answered by then: the kernel also interrupts for what is no signal (work of
   * io_uring), and programs expect no EINTR of lseek, by which qemu takes a whole disk for data.
   */
  #interrupt(message: Message): void {
    const low = message.u32(InterruptIn.offsets.uniqueLow);
    const high = message.u32(InterruptIn.offsets.uniqueHigh);
    message.drop();
    for (const other of this.#inFlight.messages) {
      if (other.working && other.uniqueLow === low && other.uniqueHigh === high) {
        this.#context.clock.after(limits.interruptPatienceMs, () => {
          const waits = other.working && other.uniqueLow === low && other.uniqueHigh === high;
          if (waits) other.scope.cancel();
        });
        return;
      }
    }
    // Not there: it was answered while the interrupt was on its way.
  }
}

/** Volumes answer READ and WRITE without throwing; a control file's WRITE tells exactly what it was. */
const ioOpcodes: ReadonlySet<number> = new Set(
  (["FSYNC", "FALLOCATE"] as const).map((name) => messageTable[name].opcode),
);

const nothingAgreed = {
  major: fuseMajor,
  minor: fuseMinor,
  flags: 0,
  flags2: 0,
  maxBackground: limits.fuseBackgroundMax,
  congestionThreshold: Math.floor((limits.fuseBackgroundMax * 3) / 4),
  maxWrite: limits.messageBytesMax,
  timeGranNs: 1,
  maxPages: limits.messageBytesMax / pageBytes,
  mapAlignment: 0,
};
