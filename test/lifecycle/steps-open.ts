import { attach, detach } from "../conformance/driver.ts";
import { type Player, pathOf, type Readable } from "./player.ts";
import type { Step } from "./steps.ts";
import { outcome } from "./world.ts";

const openMax = 6;
const attachedMax = 12;

export const openSteps: readonly Step[] = [
  {
    name: "attach",
    ...{ weight: 40, frees: true },
    run: async (player, tell) => {
      if (player.attached.size >= attachedMax) return;
      const name = player.oneIn(20) ? player.newName() : player.pick(player.volumes);
      if (name === null) return;
      tell(name);
      const isThere = (player.model.families.get(name)?.working ?? null) !== null;
      await outcome(() => attach(player.world.subject, name), isThere ? null : "not_found");
      if (isThere) player.attached.set(name, { volume: name, title: name });
    },
  },
  {
    name: "attach a snapshot",
    ...{ weight: 6, frees: true },
    run: async (player, tell) => {
      const snapshot = player.pick(player.snapshots);
      if (snapshot === null || player.attached.size >= attachedMax) return;
      const isWrong = player.oneIn(10);
      const title = `${snapshot.name}@${isWrong ? "none" : snapshot.tag}`;
      tell(title);
      await outcome(() => attach(player.world.subject, title), isWrong ? "not_found" : null);
      if (isWrong) return;
      player.attached.set(title, { snapshot, title });
      const writing = () => player.world.subject.open(`volume/${title}`, "write");
      await outcome(writing, "read_only");
    },
  },
  {
    name: "detach",
    ...{ weight: 30, frees: true },
    run: async (player, tell) => {
      const name = player.oneIn(10) ? player.newName() : player.pick([...player.attached.keys()]);
      if (name === null) return;
      tell(name);
      const code = !player.attached.has(name)
        ? "invalid"
        : player.isOpen(`volume/${name}`)
          ? "busy"
          : null;
      await outcome(() => detach(player.world.subject, name), code);
      if (code === null) player.attached.delete(name);
    },
  },
  {
    name: "open",
    ...{ weight: 30, frees: true },
    run: async (player, tell) => {
      if (player.opened.length >= openMax) return;
      const what = readable(player);
      if (what === null) return;
      const path = pathOf(what);
      tell(path);
      const writable = "volume" in what && player.oneIn(2);
      const file = await player.world.subject.open(path, writable ? "readwrite" : "read");
      player.opened.push({ path, file, what, writable });
    },
  },
  {
    name: "close",
    ...{ weight: 30, frees: true },
    run: async (player, tell) => {
      const open = player.pick(player.opened);
      if (open === null) return;
      tell(open.path);
      await player.close(open);
    },
  },
  {
    name: "restart",
    ...{ weight: 1, frees: true },
    run: (player) => player.restart(),
  },
];

function readable(player: Player): Readable | null {
  const snapshot = player.pick(player.snapshots);
  if (snapshot !== null && player.oneIn(2)) return { snapshot, title: null };
  return player.pick([...player.attached.values()]);
}
