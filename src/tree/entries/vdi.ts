import { type ErrorCode, SheepfsError } from "../../base/errors.ts";
import type { AttachedVolumes } from "../../volume/attach.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import { ControlNode } from "../control.ts";
import { escapeName, escapeTag, unescapeBytes } from "../names.ts";
import type { ControlResult } from "../results.ts";
import { attachNamed, detachNamed } from "./attaching.ts";
import type { EntryBase } from "./entry.ts";
import type { VdiLife } from "./life.ts";
import { localTime } from "./time.ts";

/** vdi/mount: a line attaches the VDI that it names. */
export function mountControl(volumes: AttachedVolumes, base: EntryBase): ControlNode {
  return new ControlNode({
    ...base,
    id: base.ids.next(),
    path: "vdi/mount",
    text: (results) => answer(volumes.list(), results, mountAdvice),
    act: async (line, scope) => {
      const before = volumes.list();
      const volume = await attachNamed(volumes, line, scope);
      const done = before.includes(volume) ? "was attached already" : "attached";
      return `${done}: volume/${volume.title}`;
    },
  });
}

/** vdi/unmount: a line detaches the volume that it names. */
export function unmountControl(volumes: AttachedVolumes, base: EntryBase): ControlNode {
  return new ControlNode({
    ...base,
    id: base.ids.next(),
    path: "vdi/unmount",
    text: (results) => answer(volumes.list(), results, unmountAdvice),
    act: async (line, scope) => `detached: volume/${await detachNamed(volumes, line, scope)}`,
  });
}

/** vdi/snapshot: a line `TAG VDI...` makes a snapshot of each VDI, all of one moment. */
export function snapshotControl(
  life: VdiLife,
  made: (name: Uint8Array, tag: Uint8Array) => void,
  base: EntryBase,
): ControlNode {
  return new ControlNode({
    ...base,
    id: base.ids.next(),
    path: "vdi/snapshot",
    text: (results) => [...resultLines(results, snapshotAdvice), ""].join("\n"),
    act: async (line, scope) => {
      life.check();
      const [tag, ...names] = wordsOf(line).map(unescapeBytes);
      if (tag === undefined || names.length === 0) {
        throw new SheepfsError("invalid", "a tag and the names of VDIs are wanted");
      }
      try {
        await life.snapshot(names, tag, scope);
      } finally {
        for (const name of names) made(name, tag);
      }
      return `made: ${names.map((name) => `snapshot/${escapeName(name)}/${escapeTag(tag)}`).join(" ")}`;
    },
  });
}

const space = 0x20;

function wordsOf(line: Uint8Array): readonly Uint8Array[] {
  const words: Uint8Array[] = [];
  for (let at = 0; at < line.length; ) {
    const found = line.indexOf(space, at);
    const end = found < 0 ? line.length : found;
    if (end > at) words.push(line.subarray(at, end));
    at = end + 1;
  }
  return words;
}

type Advice = Partial<Record<ErrorCode, string>>;

const mountAdvice: Advice = {
  not_found: "see vdi/list for the names that there are",
  busy: "end the other use of the VDI, or wait for it, and write the name again",
  exists: "detach the other volume first",
  overload: "detach a volume that is not needed",
  invalid: "write one name and a newline, with \\xNN for bytes that cannot be typed",
  name_too_long: "see vdi/list for the names that there are",
  too_large: "use a client that can address it, or make a smaller VDI",
  not_supported: "use a client that knows VDIs of this kind",
};

const unmountAdvice: Advice = {
  invalid: "see above for what is attached",
  busy: "end what uses the volume and write the name again",
};

const snapshotAdvice: Advice = {
  invalid: "write a tag, one or more names of VDIs, with \\x20 for a space in one, and a newline",
  not_found: "see vdi/list for the names that there are",
  busy: "attach all VDIs of the group here, or end the other use, and write the line again",
  not_supported: "leave out the VDI that is named",
};

/** For what has no advice of its own. */
const generalAdvice: Advice = {
  not_ready: "see cluster/info; format the cluster or wait for its nodes",
  unavailable: "see that a sheep runs at config/sheep_info, or write another's address there",
  timed_out: "see that the sheep at config/sheep_info answers, and try again",
  cancelled: "write the name again",
  version: "write the address of a sheep 1.0 to config/sheep_info",
};

function answer(
  volumes: readonly AttachedVolume[],
  results: readonly ControlResult[],
  advice: Advice,
): string {
  const attached = volumes.length === 0 ? ["  nothing"] : volumes.map(volumeLine);
  return ["attached:", ...attached, ...resultLines(results, advice), ""].join("\n");
}

function resultLines(results: readonly ControlResult[], advice: Advice): readonly string[] {
  const last =
    results.length === 0 ? ["  none yet"] : results.map((row) => resultLine(row, advice));
  return ["last results, oldest first:", ...last];
}

function volumeLine({ title, volume, readOnly, users }: AttachedVolume): string {
  const access = readOnly ? "read-only" : "writable";
  const use = users === 0 ? "not open" : users === 1 ? "open once" : `open ${users} times`;
  return `  ${title}  ${volume.sizeBytes} bytes, ${access}, ${use}`;
}

function resultLine({ atMs, line, outcome, reason }: ControlResult, advice: Advice): string {
  const head = `  ${localTime(atMs)}  ${outcome}  '${line}'  ${reason}`;
  if (outcome === "ok") return head;
  const todo = advice[outcome] ?? generalAdvice[outcome] ?? "see the log of sheepfs";
  return `${head}; to do: ${todo}`;
}
