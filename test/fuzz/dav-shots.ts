import type { Dice } from "./dice.ts";
import { requestBytes, type Shot } from "./shot.ts";
import { ifHeaders, type Target } from "./volume-shots.ts";

type Fields = (readonly [string, string])[];

const davMethods = [
  ...(["OPTIONS", "PROPFIND", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "MKCOL"] as const),
  ...(["COPY", "MOVE", "DELETE", "GET", "HEAD", "POST", "REPORT", "TRACE", "CONNECT"] as const),
  ...(["BREW", "get", "PROPFIND!"] as const),
] as const satisfies readonly [string, ...string[]];

/** Anywhere in the tree, in the scratch area or nowhere. */
function anyPath(dice: Dice, target: Target): string {
  return dice.pick([
    ...(["/", "/cluster", "/cluster/", "/cluster/info", "/node/list", "/vdi/list"] as const),
    ...(["/vdi/mount", "/config/page_cache", "/volume", "/volume/", "/no", "/no/such/"] as const),
    ...([
      "/scratch/",
      "/scratch/a",
      "/scratch/b/",
      "/scratch/b/c",
      "*",
      "/volume/no-such",
    ] as const),
    target.path,
    `${target.path}/`,
    `${target.path}/below`,
    `/scratch/${dice.below(50)}`,
  ]);
}

const names = ["resourcetype", "getetag", "lockdiscovery", "quota-used-bytes", "nonsense", "vid"];

function property(dice: Dice): string {
  const name = dice.pick(["x", ...names]);
  const space = dice.pick(["D", "D", "Z", ""]);
  const tag = space === "" ? name : `${space}:${name}`;
  return dice.pick([`<${tag}/>`, `<${tag}>${dice.below(9)}</${tag}>`, `<${tag} xmlns=""/>`]);
}

function xml(dice: Dice): string {
  const props = Array.from({ length: dice.pick([0, 1, 2, 30, 300]) }, () => property(dice)).join(
    "",
  );
  const spaces = 'xmlns:D="DAV:" xmlns:Z="urn:z"';
  const find = `<D:propfind ${spaces}><D:prop>${props}</D:prop></D:propfind>`;
  const update = `<D:propertyupdate ${spaces}><D:set><D:prop>${props}</D:prop></D:set></D:propertyupdate>`;
  const body = dice.pick([
    ...([find, find, find, update, update, update] as const),
    `<D:propfind ${spaces}><D:allprop/></D:propfind>`,
    `<D:propfind ${spaces}><D:propname/><D:allprop/></D:propfind>`,
    `<D:propertyupdate ${spaces}><D:remove><D:prop>${props}</D:prop></D:remove><D:set/><D:set/></D:propertyupdate>`,
    `<D:lockinfo ${spaces}><D:lockscope><D:${dice.pick(["exclusive", "shared", "x"])}/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner>${props}</D:owner></D:lockinfo>`,
    `<D:lockinfo ${spaces}/>`,
    "<a>".repeat(dice.pick([10, 3_000])),
    '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;&b;">]><a>&d;</a>',
    '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    `<a b="${"c".repeat(dice.below(70_000))}"/>`,
    `<a xmlns:D="DAV:"><D:b>${"&amp;".repeat(dice.below(2_000))}</D:b></a>`,
    "",
    "not xml",
    "\ufeff<a/>",
  ]);
  if (!dice.oneIn(8)) return `<?xml version="1.0" encoding="utf-8"?>${body}`;
  const at = dice.below(body.length + 1);
  return dice.pick([
    body.slice(0, at),
    `${body.slice(0, at)}${dice.text(3)}${body.slice(at)}`,
    `${body.slice(0, at)}${body.slice(at + 1 + dice.below(9))}`,
    `<?xml version="1.1" encoding="${dice.pick(["utf-16", "latin1", "x"])}"?>${body}`,
  ]);
}

function davFields(dice: Dice, target: Target): Fields {
  const fields: Fields = [];
  const add = (times: number, name: string, value: string): void => {
    if (dice.oneIn(times)) fields.push([name, value.replaceAll(/[\0\r\n\x7f]|\P{ASCII}/gu, "")]);
  };
  add(
    2,
    "Depth",
    dice.pick(["0", "1", "0", "1", "0", "1", "infinity", "Infinity", "2", "", "-1", "0, 1"]),
  );
  const there = anyPath(dice, target);
  const elsewhere = [
    "http://other.example/x",
    "relative",
    "ftp://127.0.0.1/",
    "//x",
    "",
    "%zz",
  ] as const;
  add(2, "Destination", dice.pick([there, there, `http://127.0.0.1${there}`, ...elsewhere]));
  add(3, "Overwrite", dice.pick(["T", "F", "t", "", "maybe"]));
  add(3, "If", dice.pick(ifHeaders));
  add(
    3,
    "Timeout",
    dice.pick(["Second-1", "Infinite", "Second-4100000000", "x", "Infinite, Second-9"]),
  );
  add(3, "Lock-Token", dice.pick(["<urn:uuid:0>", "urn:uuid:0", "<>", ""]));
  add(6, "Content-Type", dice.pick(["text/xml", "application/xml", "text/plain", "a/b; c=d"]));
  add(9, "Authorization", dice.pick(["Basic eDp5", "Basic", "Basic !!!!", "Digest x", "Bearer y"]));
  add(9, "X-Padding", dice.text(dice.pick([10, 1_000])));
  return fields;
}

/** Any method of WebDAV and others, anywhere, with any fields and any body. */
export function davShot(dice: Dice, target: Target): Shot {
  const method = dice.pick(davMethods);
  const body = dice.oneIn(3) ? {} : { body: xml(dice), chunked: dice.oneIn(4) };
  const path = anyPath(dice, target);
  const wish = { what: `${method} ${path}`, method, target: path, ...body };
  const bytes = requestBytes({ ...wish, headers: davFields(dice, target) });
  return { what: wish.what, method, bytes };
}

/** Lines that mean nothing, or something that does not touch what the lanes use. */
export function controlShot(dice: Dice): Shot {
  const path = dice.pick([
    "/vdi/mount",
    "/vdi/unmount",
    "/config/page_cache",
    "/config/object_cache",
  ]);
  const line = dice.pick([
    ...([
      "",
      "\n",
      "0\n",
      "no-such-vdi\n",
      "../../etc/passwd\n",
      "a\\x00\n",
      "a\\xff@1\n",
    ] as const),
    dice.text(dice.pick([3, 300, 6_000])),
    `${dice.text(10)}\n${dice.text(10)}\n`,
  ]);
  const range: Fields = dice.oneIn(4) ? [["Content-Range", `bytes 0-${line.length - 1}/*`]] : [];
  const site: Fields = dice.oneIn(3)
    ? [
        dice.pick([
          ["Origin", "http://evil.example"],
          ["Sec-Fetch-Site", "cross-site"],
        ]),
      ]
    : [];
  const wish = { what: `PUT ${path} of a line`, method: "PUT", target: path, body: line };
  const bytes = requestBytes({ ...wish, headers: [...range, ...site], chunked: dice.oneIn(3) });
  return { what: wish.what, method: "PUT", bytes };
}
