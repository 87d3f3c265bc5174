import { readFileSync } from "node:fs";

export const mountType = "fuse.sheepfs";

export interface MountRow {
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
  /** Device number of the mounted filesystem, `major:minor`. */
  readonly device: string;
  /** Uid of who mounted a FUSE filesystem, null for others. */
  readonly owner: number | null;
}

/** Parses /proc/self/mountinfo; lines that are not understood are left out. */
export function parseMountInfo(text: string): MountRow[] {
  return text.split("\n").flatMap((line) => {
    const [before, after] = line.split(" - ");
    const left = before?.split(" ") ?? [];
    const right = after?.split(" ") ?? [];
    const [device, mountpoint] = [left[2], left[4]];
    const [type, source] = right;
    if (device === undefined || mountpoint === undefined) return [];
    if (type === undefined || source === undefined) return [];
    const owner = /(?:^|,)user_id=([0-9]+)/.exec(right[2] ?? "")?.[1];
    return [
      {
        mountpoint: unescapeOctal(mountpoint),
        type,
        source: unescapeOctal(source),
        device,
        owner: owner === undefined ? null : Number(owner),
      },
    ];
  });
}

/** What is mounted now, as this process sees it; the last of several on one place is on top. */
export function readMountInfo(): MountRow[] {
  return parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
}

function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = Buffer.from(text, "utf8").toString("latin1");
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return Buffer.from(plain, "latin1").toString("utf8");
}
