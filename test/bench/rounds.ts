import type { Load } from "./load.ts";
import { type Figures, median } from "./table.ts";

/** Something that takes loads. */
export interface Subject {
  readonly title: string;
  /** Operations per second; null where it cannot do such a thing. */
  measure(load: Load): Promise<number | null>;
}

export interface Rounds {
  readonly loads: readonly Load[];
  /** Rounds of each load; a figure is their median. */
  readonly rounds: (load: Load) => number;
}

/** Subjects take turns, so that what disturbs the machine for a while disturbs them all. */
export async function measureAll(
  subjects: readonly Subject[],
  { loads, rounds }: Rounds,
): Promise<Map<Subject, Figures>> {
  const figures = new Map(subjects.map((subject) => [subject, new Map<string, number>()]));
  for (const load of loads) {
    process.stderr.write(`measuring: ${load.name}\n`);
    const samples = new Map(subjects.map((subject) => [subject, [] as number[]]));
    for (let round = 0; round < rounds(load); round += 1) {
      for (const subject of subjects) {
        const value = await subject.measure(load);
        if (value !== null) samples.get(subject)?.push(value);
      }
    }
    for (const [subject, values] of samples) {
      if (values.length > 0) figures.get(subject)?.set(load.name, median(values));
    }
  }
  return figures;
}
