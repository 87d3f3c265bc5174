import { SheepfsError } from "../base/errors.ts";

/** Longest name of a node, as every filesystem has it. */
const treeNameBytesMax = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const backslash = 0x5c;

/**
 * Characters that are always escaped: the path's own, ours, and those that a listing must not show
 * as they are (controls, line separators, marks that turn the direction of writing).
 */
const unsafeCharacter = /[/\\\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\ufeff]/u;

/**
 * Any bytes as a name that can be listed, typed and given back to `unescapeName`: bytes that cannot
 * stand as they are become `\x` and two hex digits, a backslash too. An empty name stays empty.
 */
export function escapeName(name: Uint8Array): string {
  const pieces = [...piecesOf(name)];
  // A name of a path's own meaning, or with a space at an end that a line would lose.
  const dots = pieces.length <= 2 && pieces.every((piece) => piece === ".");
  return pieces
    .map((piece, at) => {
      const atEnd = at === 0 || at === pieces.length - 1;
      return (dots && piece === ".") || (atEnd && piece === " ") ? escaped(piece) : piece;
    })
    .join("");
}

/** A name that can stand as it is and is taken already: its first byte is escaped all the same. */
export function escapeFirst(name: string): string {
  return escaped(name.slice(0, 1)) + name.slice(1);
}

/** The same for a tag behind an `@`: an `@` of its own is escaped as well. */
export function escapeTag(tag: Uint8Array): string {
  return escapeName(tag).replaceAll("@", "\\x40");
}

/**
 * The bytes that an escaped name means; a name without escapes means itself.
 * @throws invalid for a backslash that begins no escape
 */
export function unescapeName(name: string): Uint8Array {
  return unescapeBytes(encoder.encode(name));
}

/** The same for a name that may be no UTF-8. */
export function unescapeBytes(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(name.length);
  let length = 0;
  for (let at = 0; at < name.length; at += 1) {
    let byte = name[at] ?? 0;
    if (byte === backslash) {
      byte = escapedByte(name, at);
      at += 3;
    }
    bytes[length] = byte;
    length += 1;
  }
  return bytes.slice(0, length);
}

/**
 * The name under which a node of that name is listed: the escaped name while it fits a directory
 * entry, else its beginning, `\~` and a digest, which `vdi/unmount` takes but `vdi/mount` cannot.
 */
export function fittedName(escapedName: string): string {
  const bytes = encoder.encode(escapedName);
  if (bytes.length <= treeNameBytesMax) return escapedName;
  const end = `\\~${digest(bytes)}`;
  let kept = "";
  let left = treeNameBytesMax - end.length;
  for (const piece of escapedName.match(/\\x[0-9a-f]{2}|[^\\]/gu) ?? []) {
    left -= encoder.encode(piece).length;
    if (left < 0) break;
    kept += piece;
  }
  return kept + end;
}

/**
 * The bytes of something that is to be made, named as it will be listed: under another name it
 * would not be found again.
 * @throws invalid telling how it is written | name_too_long
 */
export function newNameBytes(name: string, written: (bytes: Uint8Array) => string): Uint8Array {
  const bytes = unescapeName(name);
  const listed = written(bytes);
  if (bytes.length > treeNameBytesMax || encoder.encode(listed).length > treeNameBytesMax) {
    const text = `a name of more than ${treeNameBytesMax} bytes, as it is listed`;
    throw new SheepfsError("name_too_long", text);
  }
  if (listed === name) return bytes;
  throw new SheepfsError("invalid", `'${name}' is listed as '${listed}'; write it so`);
}

/** The text that bytes are, to the last of them; null when they are no UTF-8. */
export function utf8Text(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/** Each character that can stand as it is, and each byte that cannot, escaped. */
function* piecesOf(name: Uint8Array): Generator<string> {
  for (let at = 0; at < name.length; ) {
    const length = Math.min(sequenceLength(name[at] ?? 0), name.length - at);
    const character = utf8Text(name.subarray(at, at + length));
    if (character === null) {
      yield escapedHex(name[at] ?? 0);
      at += 1;
      continue;
    }
    yield unsafeCharacter.test(character) ? escaped(character) : character;
    at += length;
  }
}

/** Bytes of the UTF-8 sequence that begins so. */
function sequenceLength(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

function escaped(character: string): string {
  return [...encoder.encode(character)].map(escapedHex).join("");
}

function escapedHex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

function escapedByte(name: Uint8Array, at: number): number {
  const text = String.fromCharCode(...name.subarray(at, at + 4));
  if (!/^\\x[0-9a-fA-F]{2}$/.test(text)) {
    const shown = new TextDecoder().decode(name);
    throw new SheepfsError(
      "invalid",
      `name '${shown}': a backslash begins \\x and two hex digits; write \\x5c for a backslash`,
    );
  }
  return Number.parseInt(text.slice(2), 16);
}

/** FNV-1a of 64 bits: tells apart names whose beginnings are the same. */
function digest(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
