const units = ["MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/** A size as `dog` writes it: from MB on, one decimal below 10. */
export function sizeText(bytes: number): string {
  let size = bytes / 2 ** 20;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${roundedText(size, size >= 10 ? 0 : 1)} ${units[unit] ?? ""}`;
}

/** As printf rounds: what lies exactly between two goes to the even one, which toFixed does not. */
function roundedText(value: number, decimals: 0 | 1): string {
  // Quarters and halves are the only doubles between two tenths and two wholes.
  const isTie = decimals === 0 ? isOdd(value * 2) : isOdd(value * 4);
  if (!isTie) return value.toFixed(decimals);
  const scale = decimals === 0 ? 1 : 10;
  const below = Math.floor(value * scale);
  return ((below + (below % 2)) / scale).toFixed(decimals);
}

function isOdd(value: number): boolean {
  return value % 2 === 1;
}
