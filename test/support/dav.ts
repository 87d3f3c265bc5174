/** The little of WebDAV's XML that tests need, read without the program's own parser. */

/** The body of a PROPFIND that asks for these properties of DAV's own namespace. */
export function propfind(...names: readonly string[]): string {
  const props = names.map((name) => `<D:${name}/>`).join("");
  return `<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop>${props}</D:prop></D:propfind>`;
}

/** The text of the first element with this local name; null when there is none or it is empty. */
export function firstText(xml: string, name: string): string | null {
  const found = new RegExp(`<(?:[\\w-]+:)?${name}(?:\\s[^>]*)?>([^<]*)<`).exec(xml)?.[1];
  return found === undefined ? null : unescapeXml(found.trim());
}

/** Of each response of a multistatus, in order. */
export function hrefsOf(xml: string): string[] {
  const found = xml.matchAll(/<(?:[\w-]+:)?response(?:\s[^>]*)?>\s*<(?:[\w-]+:)?href>([^<]*)</g);
  return [...found].map(([, href = ""]) => unescapeXml(href.trim()));
}

function unescapeXml(text: string): string {
  return text
    .replaceAll(/&#(?:x([0-9a-f]+)|([0-9]+));/gi, (_, hex: string | undefined, decimal: string) =>
      String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
    )
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
