const encoder = new TextEncoder();

/** Columns of `dog` are as wide as their bytes, whatever characters these make. */
export function padEndBytes(text: string, width: number): string {
  return text + missing(text, width);
}

export function padStartBytes(text: string, width: number): string {
  return missing(text, width) + text;
}

function missing(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - encoder.encode(text).length));
}
