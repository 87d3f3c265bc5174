import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { FileHandle } from "./handles.ts";
import type { Message } from "./message.ts";
import type { OpsContext } from "./ops.ts";
import type { SavedAct } from "./saved.ts";

/**
 * Carries out a WRITE or FLUSH of which lines of a control file may act, once: when the kernel sends
 * it again since the process that had it is gone, it gets the answer that was noted. Where none was,
 * the line may have acted or not, and only whoever wrote it can look.
 * @returns what `act` returned, now or then
 * @throws what it threw | unavailable when that is not known
 */
export async function actOnce(
  message: Message,
  what: { readonly handle: FileHandle; readonly low: number },
  context: OpsContext,
  act: () => Promise<number>,
): Promise<number> {
  const { notes, acts } = context;
  const { file, mode } = what.handle;
  if (notes === null || mode === "read" || file.submitWrite !== undefined) return await act();
  // A part of a line that has not acted is in this process alone.
  const acted = (): void =>
    notes.note({ is: "unfinished", low: what.low, unfinished: file.unfinished?.() ?? false });
  return await once(message, { notes, acts }, act, acted);
}

/**
 * The same for what makes or removes a name.
 * @returns what `make` returned; null when a predecessor has carried it out
 */
export async function makeOnce<T>(
  message: Message,
  { notes, acts }: OpsContext,
  make: () => Promise<T>,
): Promise<T | null> {
  if (notes === null) return await make();
  const made: T[] = [];
  const act = async (): Promise<number> => made.push(await make());
  await once(message, { notes, acts }, act, () => {});
  return made[0] ?? null;
}

interface Remembered {
  readonly notes: NonNullable<OpsContext["notes"]>;
  readonly acts: OpsContext["acts"];
}

async function once(
  message: Message,
  { notes, acts }: Remembered,
  act: () => Promise<number>,
  acted: () => void,
): Promise<number> {
  const { unique } = message;
  const before = message.resent ? acts.get(unique) : undefined;
  if (before !== undefined) return answerOf(before);
  const note = (outcome: SavedAct["outcome"]): void => {
    notes.note({ is: "act", act: { unique, outcome } });
  };
  acts.set(unique, { unique, outcome: null });
  note(null);
  let outcome: SavedAct["outcome"] = null;
  try {
    const bytes = await act();
    outcome = { bytes };
    return bytes;
  } catch (thrown) {
    const { code, message: reason } = asSheepfsError(thrown);
    outcome = { code, reason };
    throw thrown;
  } finally {
    acts.delete(unique);
    acted();
    note(outcome);
  }
}

function answerOf({ outcome }: SavedAct): number {
  if (outcome === null) {
    const text = "sheepfs ended while this was being carried out; see whether it was";
    throw new SheepfsError("unavailable", text);
  }
  if ("bytes" in outcome) return outcome.bytes;
  throw new SheepfsError(outcome.code, outcome.reason);
}
