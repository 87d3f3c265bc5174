const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
  P: 1024 ** 5,
};

/** `10G`, `512M`, `1.5T`, `4KiB` or bytes; units are of 1024. Null for what is no size. */
export function sizeBytesOf(text: string): number | null {
  const match = /^([0-9]+(?:\.[0-9]+)?)([KMGTP]?)(?:i?B)?$/i.exec(text.trim());
  const unit = units[(match?.[2] ?? "").toUpperCase()];
  const bytes = match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) && bytes >= 1 ? bytes : null;
}
