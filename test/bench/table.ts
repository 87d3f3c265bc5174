import type { Load } from "./load.ts";

/** What was measured of one subject, by the name of the load: operations per second. */
export type Figures = ReadonlyMap<string, number>;

/** Ours beside another subject. */
export interface Comparison {
  readonly name: string;
  readonly title: string;
  readonly ours: Figures;
  readonly other: Figures;
  /** The ratio that we want, by load; null where there is none. */
  readonly bar: (load: Load) => number | null;
}

/** A table in Markdown: one row for each load. */
export function comparisonTable(comparison: Comparison, loads: readonly Load[]): string {
  const heads = ["", comparison.name, comparison.title, "ratio", "wanted"];
  const rows = loads.map((load) => {
    const ours = comparison.ours.get(load.name);
    const other = comparison.other.get(load.name);
    const bar = comparison.bar(load);
    const ratio = ours === undefined || other === undefined ? "" : (ours / other).toFixed(2);
    const wanted = bar === null ? "" : String(bar);
    return [load.name, shown(load, ours), shown(load, other), ratio, wanted];
  });
  return markdown(heads, rows);
}

/** A table of which all columns but the first are numbers. */
export function markdown(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map((_, at) => (at === 0 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Operations per second as they are shown; bytes where these are what counts. */
export function shown(load: Load, perSecond: number | undefined): string {
  if (perSecond === undefined) return "";
  if (load.bytes > 4096) return `${Math.round((perSecond * load.bytes) / 2 ** 20)} MiB/s`;
  return `${Math.round(perSecond)} /s`;
}

/** The middle one of several. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
