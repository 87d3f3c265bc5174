import type { Dice } from "./dice.ts";
import { requestBytes, type Shot, type Wish } from "./shot.ts";

/** The volume that one lane has to itself. */
export interface Target {
  readonly path: string;
  readonly sizeBytes: number;
}

type Maker = (dice: Dice, target: Target) => Shot;

type Fields = (readonly [string, string])[];

function shot(wish: Wish, more: Partial<Shot> = {}): Shot {
  return { what: wish.what, method: wish.method, bytes: requestBytes(wish), ...more };
}

function readRange(dice: Dice, { path, sizeBytes }: Target): Shot {
  const from = dice.below(sizeBytes);
  const to = Math.min(sizeBytes, from + 1 + dice.below(9_000));
  const range = dice.pick([
    `bytes=${from}-${to - 1}`,
    `bytes=${from}-${to - 1}`,
    `bytes = ${from} - ${to - 1}`,
  ]);
  const strict = !range.includes(" ");
  const method = dice.pick(["GET", "GET", "GET", "HEAD"]);
  const wish = { what: "read of a range", method, target: path };
  const reading = { range: strict && method === "GET" ? { from, to } : ("any" as const) };
  return shot({ ...wish, headers: [["Range", range]] }, { reading });
}

function readEdges(dice: Dice, { path, sizeBytes }: Target): Shot {
  const one = (): string => {
    const [a, b] = [dice.edgy(sizeBytes), dice.edgy(sizeBytes)];
    return dice.pick([`${a}-${b}`, `${a}-`, `-${b}`, "-", `${a}`, `${b}-${a}`, "", "x-y", "1e3-2"]);
  };
  const ranges = Array.from({ length: dice.pick([1, 1, 2, 3, 20, 200]) }, one).join(
    dice.pick([",", ", ", " ,\t"]),
  );
  const unit = dice.pick(["bytes", "bytes", "bytes", "Bytes", "items", "bytes,bytes", ""]);
  const headers: Fields = [["Range", `${unit}=${ranges}`]];
  if (dice.oneIn(3)) headers.push(["If-Range", dice.pick(['"x"', 'W/"x"', "yesterday", "*", ""])]);
  const method = dice.pick(["GET", "GET", "HEAD"]);
  const wish = { what: "read of odd ranges", method, target: path, headers };
  return shot(wish, { reading: { range: "any" } });
}

function readWhole(_dice: Dice, { path }: Target): Shot {
  const wish = { what: "read of all", method: "GET", target: path };
  return shot(wish, { reading: { range: null }, mustDo: true });
}

function conditions(dice: Dice): Fields {
  const tag = (): string =>
    dice.pick([
      "*",
      '"x"',
      'W/"x"',
      '"a", "b"',
      "x",
      "",
      dice.text(20).replaceAll(/\P{ASCII}/gu, ""),
    ]);
  const date = (): string =>
    dice.pick(["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "now", "", "0"]);
  const fields: Fields = [];
  if (dice.oneIn(2)) fields.push(["If-Match", clean(tag())]);
  if (dice.oneIn(2)) fields.push(["If-None-Match", clean(tag())]);
  if (dice.oneIn(3)) fields.push(["If-Modified-Since", date()]);
  if (dice.oneIn(3)) fields.push(["If-Unmodified-Since", date()]);
  return fields;
}

/** Without what would end the line. */
function clean(text: string): string {
  return text.replaceAll(/[\0\r\n\x7f]/g, "");
}

function readOnCondition(dice: Dice, { path }: Target): Shot {
  const wish = { what: "conditional read", method: "GET", target: path };
  return shot({ ...wish, headers: conditions(dice) }, { reading: { range: "any" } });
}

/** A write of a range as it should be, in one of its forms. */
function writeRange(dice: Dice, { path, sizeBytes }: Target): Shot {
  const offset = dice.pick([dice.below(sizeBytes), dice.below(sizeBytes), 0, sizeBytes - 1]);
  const room = sizeBytes - offset;
  const length = Math.min(room, 1 + dice.pick([dice.below(300), dice.below(9_000), room]));
  const bytes = dice.bytes(Math.min(length, 40_000));
  const last = offset + bytes.length - 1;
  const effect = { offset, bytes };
  if (dice.oneIn(3)) {
    const form = dice.pick([`bytes=${offset}-${last}`, `bytes=${offset}-`]);
    const headers: Fields = [
      ["X-Update-Range", form],
      ["Content-Type", "application/x-sabredav-partialupdate"],
    ];
    const wish = { what: "PATCH of a range", method: "PATCH", target: path, headers, body: bytes };
    return shot(wish, { effect, mustDo: form.includes(`-${last}`) });
  }
  const total = dice.pick(["*", String(sizeBytes)]);
  const headers: Fields = [["Content-Range", `bytes ${offset}-${last}/${total}`]];
  const wish = { what: "PUT of a range", method: "PUT", target: path, headers, body: bytes };
  return shot(wish, { effect, mustDo: true });
}

function writeFromStart(dice: Dice, { path, sizeBytes }: Target): Shot {
  const bytes = dice.bytes(dice.pick([0, 1, dice.below(5_000), dice.below(sizeBytes + 1)]));
  const chunked = dice.oneIn(2);
  const what = chunked ? "chunked PUT" : "plain PUT";
  const wish = { what, method: "PUT", target: path, body: bytes, chunked };
  return shot(wish, { effect: { offset: 0, bytes }, mustDo: true });
}

function writeOnCondition(dice: Dice, target: Target): Shot {
  const offset = dice.below(target.sizeBytes - 100);
  const bytes = dice.bytes(100);
  const headers: Fields = [
    ["Content-Range", `bytes ${offset}-${offset + 99}/*`],
    ...conditions(dice),
  ];
  if (dice.oneIn(3)) headers.push(["If", clean(dice.pick(ifHeaders))]);
  const wish = { what: "conditional PUT", method: "PUT", target: target.path, body: bytes };
  return shot({ ...wish, headers }, { effect: { offset, bytes } });
}

export const ifHeaders = [
  "(<urn:uuid:1>)",
  "(Not <DAV:no-lock>)",
  "(<DAV:no-lock>)",
  '(["x"])',
  '<http://127.0.0.1/volume/> (<urn:uuid:2> [W/"x"])(Not <urn:uuid:3>)',
  "((((((((((",
  "(",
  "<",
  "",
  "(<a>)".repeat(500),
] as const satisfies readonly [string, ...string[]];

/** A PUT or PATCH that says what cannot be. */
function wrongWrite(dice: Dice, { path, sizeBytes }: Target): Shot {
  const bytes = dice.bytes(1 + dice.below(3_000));
  const [a, n] = [dice.below(sizeBytes - 4_000), bytes.length];
  const value = dice.pick([
    `bytes ${a}-${a + n}/*`,
    `bytes ${a}-${a + n - 2}/*`,
    `bytes ${a}-${a + n - 1}/${sizeBytes + 1}`,
    `bytes ${a}-${a + n - 1}`,
    `bytes ${a}-/*`,
    `bytes */${sizeBytes}`,
    "bytes */*",
    `bytes ${a + n}-${a}/*`,
    `items ${a}-${a + n - 1}/*`,
    `bytes ${sizeBytes}-${sizeBytes + n - 1}/*`,
    `bytes ${2 ** 53}-${2 ** 53 + n - 1}/*`,
    `bytes -${a}-${n}/*`,
    `bytes ${a}-${a + n - 1}/* , bytes ${a}-${a + n - 1}/*`,
    "",
    "bytes",
    clean(dice.text(20).replaceAll(/\P{ASCII}/gu, "")),
  ]);
  const patch = dice.oneIn(3);
  const range: readonly [string, string] = patch
    ? ["X-Update-Range", dice.pick([`bytes=${a}-${a + n}`, "bytes=", "append", "bytes=-5", value])]
    : ["Content-Range", value];
  const type: Fields = patch ? [["Content-Type", "application/x-sabredav-partialupdate"]] : [];
  const method = patch ? "PATCH" : "PUT";
  const wish = { what: `wrong ${method} '${range[1]}'`, method, target: path, body: bytes };
  // A suffix of a PATCH is a form of its own that the protocol has.
  const mustRefuse = range[1] !== "bytes=-5";
  const effect = mustRefuse ? {} : { effect: { offset: sizeBytes - 5, bytes } };
  if (!mustRefuse && n !== 5) return wrongWrite(dice, { path, sizeBytes });
  return shot({ ...wish, headers: [range, ...type] }, { mustRefuse, ...effect });
}

function tooLong(dice: Dice, { path, sizeBytes }: Target): Shot {
  const bytes = dice.bytes(sizeBytes + 1 + dice.below(5_000));
  const wish = { what: "PUT beyond the end", method: "PUT", target: path, body: bytes };
  return shot(wish, { mustRefuse: true, last: true });
}

/** Made of a lane's own volume, so that each is known to the byte. */
export const volumeShots: Readonly<Record<string, Maker>> = {
  readRange,
  readEdges,
  readWhole,
  readOnCondition,
  writeRange,
  writeFromStart,
  writeOnCondition,
  wrongWrite,
  tooLong,
};
