/** One row of the table of layers in docs/ARCHITECTURE.md. */
export interface Layer {
  readonly name: string;
  /** Files, and folders that end with a slash. */
  readonly places: readonly string[];
  readonly mayImport: readonly string[];
  readonly banned: readonly string[];
}

/** Reads the table under "## Layers". */
export function readLayers(document: string): Layer[] {
  const section = document.split("\n## Layers\n")[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) => {
    const [, name = "", places = "", mayImport = "", banned = ""] = row.split("|");
    return {
      name: name.trim(),
      places: ticked(places),
      mayImport: mayImport
        .split(",")
        .map((one) => one.trim())
        .filter((one) => /^[a-z]+$/.test(one)),
      banned: ticked(banned),
    };
  });
}

function ticked(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}

/** The layer that a file belongs to: the one with the longest place that fits. */
export function layerOf(path: string, layers: readonly Layer[]): Layer | null {
  let best: { layer: Layer; place: string } | null = null;
  for (const layer of layers) {
    for (const place of layer.places) {
      const fits = place.endsWith("/") ? path.startsWith(place) : path === place;
      if (fits && place.length > (best?.place.length ?? 0)) best = { layer, place };
    }
  }
  return best?.layer ?? null;
}

/** Whether a layer's list forbids this word or module. */
export function isBanned(word: string, { banned }: Layer): boolean {
  return banned.some((ban) =>
    ban.endsWith("*") ? word.startsWith(ban.slice(0, -1)) : ban === word,
  );
}
