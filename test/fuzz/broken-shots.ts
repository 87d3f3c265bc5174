import type { Dice } from "./dice.ts";
import { requestBytes, type Shot } from "./shot.ts";
import type { Target } from "./volume-shots.ts";

/** A write that must never be carried out: it is hidden behind framing that says two things. */
function smuggled({ path }: Target): string {
  return `PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 8\r\n\r\nSMUGGLED`;
}

/** Framing that can be read in two ways: it is refused, and the connection with it. */
export function ambiguousShot(dice: Dice, target: Target): Shot {
  const inner = smuggled(target);
  const length = Buffer.byteLength(inner);
  const framing = dice.pick([
    `Content-Length: ${length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${inner}`,
    `Content-Length: 0\r\nContent-Length: ${length}\r\n\r\n${inner}`,
    `Content-Length: 0, ${length}\r\n\r\n${inner}`,
    `Content-Length: +0\r\n\r\n${inner}`,
    `Content-Length: 0x0\r\n\r\n${inner}`,
    `Content-Length: -1\r\n\r\n${inner}`,
    `Content-Length: 99999999999999999999\r\n\r\n${inner}`,
    `Content-Length : 0\r\n\r\n${inner}`,
    `Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\nzz\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n${inner}`,
    `Transfer-Encoding: chunked\r\n\r\n0\n\n${inner}`,
    `X-A: b\n\n${inner}`,
    `X-A: b\r\n c\r\n\r\n${inner}`,
    `X-A\r\n\r\n${inner}`,
    `: x\r\n\r\n${inner}`,
    `X A: b\r\n\r\n${inner}`,
    `Host: 127.0.0.1\r\n\r\n${inner}`,
    `X-A: b\rContent-Length: 3\r\n\r\n${inner}`,
  ]);
  const path = dice.pick(["/vdi/mount", "/scratch/smuggle", "/cluster/info"]);
  const head = `PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n`;
  const what = `ambiguous framing '${framing.slice(0, 60)}'`;
  const bytes = Buffer.from(`${head}${framing}`, "latin1");
  return { what, method: "PUT", bytes, mustRefuse: true, last: true };
}

/** A request line that is none, or of a protocol that is not spoken. */
export function lineShot(dice: Dice, target: Target): Shot {
  const line = dice.pick([
    "GET / HTTP/2.0",
    "GET / HTTP/0.9",
    "GET / HTTP/11",
    "GET /",
    "GET  / HTTP/1.1",
    " GET / HTTP/1.1",
    "GET / HTTP/1.1 x",
    "PRI * HTTP/2.0",
    "GET /a b HTTP/1.1",
    `GET /${"a".repeat(70_000)} HTTP/1.1`,
    "GET http:// HTTP/1.1",
    "GET ftp://x/ HTTP/1.1",
    "CONNECT 127.0.0.1:22 HTTP/1.1",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    `P\0UT ${target.path} HTTP/1.1`,
    "",
    "\r\n\r\n\r\n",
  ]);
  const many = dice.oneIn(4) ? "X-Many: y\r\n".repeat(dice.pick([50, 3_000])) : "";
  const host = dice.pick([
    "Host: 127.0.0.1\r\n",
    "",
    "Host: evil.example\r\n",
    "Host: a\r\nHost: b\r\n",
  ]);
  const bytes = Buffer.from(`${line}\r\n${host}${many}\r\n`, "latin1");
  return { what: `line '${line.slice(0, 40)}'`, method: "GET", bytes, last: true };
}

const oddPieces = [
  ...["%2e%2e", "..", ".", "%00", "%2f", "%5c", "%c0%af", "%ff", "%", "%z", "%2", "//", "\\"],
  ...[
    "%252e",
    ";a=b",
    "?x=y",
    "?",
    "#f",
    "._x",
    ".DS_Store",
    "%C3%A4",
    "%E7%A3%81",
    "a".repeat(300),
  ],
];

/** A write to a name that is hard to read; where it is one of the lane's volume it may succeed. */
export function pathShot(dice: Dice, target: Target): Shot {
  const pieces = target.path.split("/").filter((name) => name !== "");
  const odd = dice.pick(["", ...oddPieces]);
  const spelled = target.path.replaceAll(/[a-z]/g, (letter) =>
    dice.oneIn(4) ? `%${letter.charCodeAt(0).toString(16)}` : letter,
  );
  const path = dice.pick([
    spelled,
    `http://127.0.0.1${target.path}`,
    `/${pieces[0]}/${odd}/${pieces[1]}`,
    `/${odd}/${pieces[0]}/${pieces[1]}`,
    `${target.path}${odd}`,
    `/${pieces[0]}/${odd}`,
    `/cluster/../${pieces[0]}/${pieces[1]}`,
    `/${dice.text(12).replaceAll(/[\0 \t\x7f]|\P{ASCII}/gu, "")}`,
  ]);
  const effect = { offset: 0, bytes: dice.bytes(64) };
  const method = dice.pick(["PUT", "PUT", "GET", "PROPFIND", "DELETE", "MKCOL"]);
  const headers = [["Content-Range", "bytes 0-63/*"]] as const;
  const wish = { what: `${method} '${path.slice(0, 60)}'`, method, target: path };
  const body = method === "PUT" ? { headers, body: effect.bytes } : {};
  const bytes = requestBytes({ ...wish, ...body });
  // Nobody knows how a path with a `#` or a line with spaces is taken apart.
  return { what: wish.what, method, bytes, ...(method === "PUT" ? { effect } : {}) };
}

/** Any bytes at all, made from a request to the volume that nobody else uses. */
export function mangledShot(dice: Dice, source: Shot): Shot {
  let bytes = Buffer.from(source.bytes);
  for (let times = 1 + dice.below(6); times > 0; times -= 1) {
    const at = dice.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + dice.below(20));
    bytes = dice.pick([
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]),
      () =>
        Buffer.concat([bytes.subarray(0, at), dice.bytes(1 + dice.below(8)), bytes.subarray(at)]),
      () => Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]),
      () => bytes.subarray(0, at),
      () => Buffer.concat([bytes.subarray(0, at), dice.bytes(end - at), bytes.subarray(end)]),
    ])();
  }
  return { what: `mangled ${source.what}`, method: source.method, bytes, last: true };
}
