import type { Damage } from "../../../src/cluster/check-look.ts";
import { type Checked, type CheckPorts, checkVdi } from "../../../src/cluster/check-vdi.ts";
import type { InodeHeader } from "../../../src/wire/inode.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { type MemorySheep, never } from "./memory-sheep.ts";

interface CheckOfMemory {
  readonly sheep: MemorySheep;
  readonly header: InodeHeader;
  readonly damages: Damage[];
  readonly looked?: CheckPorts["looked"];
}

/** Checks a VDI of a sheep in memory; each wait of the check is over at once. */
export async function runCheck({
  sheep,
  header,
  damages,
  looked = () => {},
}: CheckOfMemory): Promise<Checked> {
  const clock = new ManualClock();
  const checking = checkVdi(
    {
      ...{ caller: sheep, clock, scope: () => never, wanted: () => {}, checked: () => {} },
      ...{ isKnown: () => false, looked, damaged: (damage) => damages.push(damage) },
    },
    header,
  );
  let ended = false;
  const end = checking.finally(() => {
    ended = true;
  });
  end.catch(() => {});
  while (!ended) {
    await Bun.sleep(1);
    clock.advance(1000);
  }
  return await end;
}
