import type { Load } from "../load.ts";
import { type Figures, markdown, shown } from "../table.ts";
import { smallGets, wholeGet } from "./load.ts";

/** One column of figures. */
export interface Judged {
  readonly title: string;
  readonly figures: Figures;
}

interface Rows {
  readonly loads: readonly Load[];
  /** In MiB, in the order of the columns. */
  readonly memory: readonly { readonly name: string; readonly values: readonly number[] }[];
}

/** All figures beside each other. */
export function figuresTable(columns: readonly Judged[], { loads, memory }: Rows): string {
  const rows = loads.map((load) => [
    load.name,
    ...columns.map(({ figures }) => {
      const figure = figures.get(load.name);
      return figure === undefined ? "cannot" : shown(load, figure);
    }),
  ]);
  const sizes = memory.map(({ name, values }) => [name, ...values.map((one) => `${one} MiB`)]);
  return markdown(["", ...columns.map(({ title }) => title)], [...rows, ...sizes]);
}

/** How ours stands to each peer, with the ratio that is wanted behind it. */
export function ratioTable(ours: Judged, peers: readonly Judged[], loads: readonly Load[]): string {
  const rows = loads.map((load) => [
    load.name,
    ...peers.map(({ title, figures }) => {
      const own = ours.figures.get(load.name);
      const other = figures.get(load.name);
      if (own === undefined || other === undefined) return "";
      const bar = wanted(load, title);
      const ratio = (own / other).toFixed(2);
      return bar === null ? ratio : `${ratio} (wanted: ${bar})`;
    }),
  ]);
  return markdown([`${ours.title}: times as fast as`, ...peers.map(({ title }) => title)], rows);
}

function wanted(load: Load, peer: string): number | null {
  if (load === wholeGet && peer === "nginx") return 0.6;
  if (load !== smallGets) return null;
  return peer === "nginx" ? 0.5 : peer.startsWith("rclone") ? 2 : null;
}
