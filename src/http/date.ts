/** A moment, ms since 1970, as HTTP writes it, e.g. `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7). */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** The same for the `Date` of every answer: made once a second. */
export class DateField {
  #second = -1;
  #text = "";

  at(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = httpDate(ms);
    }
    return this.#text;
  }
}
