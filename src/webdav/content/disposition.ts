/**
 * The `Content-Disposition` of a file that is to be saved under its name: as it is for who
 * understands RFC 8187, and with what is not ASCII replaced for who does not.
 * Source: RFC 6266 §4.3, RFC 8187 §3.2.1
 */
export function attachment(name: string): string {
  const plain = [...name].map((char) => (/[ !#-[\]-~]/.test(char) ? char : "_")).join("");
  const exact = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return plain === name
    ? `attachment; filename="${plain}"`
    : `attachment; filename="${plain.replaceAll("%", "_")}"; filename*=UTF-8''${exact}`;
}
