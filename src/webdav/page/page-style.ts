/** The only style of the pages: light or dark as the reader has it, one column on a phone. */
export const pageStyle = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0550ae;--back:#fff;--band:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#30363d;--link:#79b8ff;--back:#0d1117;--band:#161b22}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:64rem;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back)}
a{color:var(--link);text-decoration-thickness:1px;text-underline-offset:.15em}
a:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}
nav ol{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap}
nav li+li::before{content:"/";color:var(--soft);padding:0 .4em}
h1{font-size:1.4rem;margin:.6rem 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:1.4rem 0 .4rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0 0 1.2rem;padding:.8rem 1rem;background:var(--band);border:1px solid var(--line);border-radius:6px}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th{text-align:left;color:var(--soft);font-weight:600}
th,td{padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child{width:100%}
td:first-child{overflow-wrap:anywhere;min-width:8rem}
td:last-child{white-space:nowrap}
.size{text-align:right;white-space:nowrap;padding-left:.6rem;font-variant-numeric:tabular-nums}
.time{white-space:nowrap;color:var(--soft)}
pre{margin:.4rem 0;padding:.8rem;overflow-x:auto;background:var(--band);border:1px solid var(--line);border-radius:6px;font:.85rem/1.45 ui-monospace,monospace}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
.note,footer{color:var(--soft)}
footer{margin-top:1.6rem;font-size:.85rem}
@media(max-width:40rem){.time{display:none}body{padding:.7rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}th,td{padding:.6rem .5rem .6rem 0}}
`;

/** What `pageStyle` is known by in the page's policy; a test holds the two together. */
export const pageStyleHash = "sha256-nKMXJ6g/BjH+RjHRDzoq6b9goD14CAsMnH+irCntm8k=";
