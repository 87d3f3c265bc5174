const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `1.2 GiB`: three digits at most, or whole bytes. */
export function sizeWithUnit(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}
