import type { Address } from "../../base/address.ts";
import { limits } from "../../base/limits.ts";
import { listHeaders } from "../../cluster/vdis.ts";
import { realClock } from "../../sys/clock.ts";
import { familiesOf } from "../../tree/entries/families.ts";
import { withCluster } from "./cluster.ts";
import { listPath } from "./tree.ts";

const wordKinds = ["vdi", "snapshot", "any", "path"] as const;
type WordKind = (typeof wordKinds)[number];

export interface WordsWanted {
  readonly gateways: readonly Address[];
  readonly kind: WordKind;
  /** Of the word; others are left out. */
  readonly beginning: string;
}

export function isWordKind(text: string): text is WordKind {
  return wordKinds.some((kind) => kind === text);
}

/** What a shell offers for a word; nothing when the cluster does not tell in time, whatever the reason. */
export async function clusterWords(wanted: WordsWanted): Promise<readonly string[]> {
  const late = Promise.withResolvers<readonly string[]>();
  const timer = realClock.after(limits.completionMs, () => late.resolve([]));
  try {
    const words = await Promise.race([found(wanted), late.promise]);
    return words.filter((word) => word.startsWith(wanted.beginning)).sort();
  } catch {
    // Nobody who presses a key wants to read of it, least of all in the middle of a line.
    return [];
  } finally {
    timer.cancel();
  }
}

async function found({ gateways, kind, beginning }: WordsWanted): Promise<readonly string[]> {
  if (kind === "path") return await pathWords(gateways, beginning);
  const { headers } = await withCluster(gateways, listHeaders);
  return [...familiesOf(headers)].flatMap(([name, { working, snapshots }]) => {
    const tags = [...snapshots.keys()].map((tag) => `${name}@${tag}`);
    if (kind === "snapshot") return tags;
    const names = working === null ? [] : [name];
    return kind === "vdi" ? names : [...names, ...tags];
  });
}

/** What is in the directory that a path has come to. */
async function pathWords(
  gateways: readonly Address[],
  beginning: string,
): Promise<readonly string[]> {
  const path = beginning.slice(0, beginning.lastIndexOf("/") + 1);
  // A command attaches what it is asked for there, and finds nothing else attached.
  if (path === "volume/") {
    const names = await found({ gateways, kind: "vdi", beginning });
    return names.map((name) => path + name);
  }
  const entries = await listPath({ gateways, path });
  return entries.map(({ name, kind }) => `${path}${name}${kind === "dir" ? "/" : ""}`);
}
