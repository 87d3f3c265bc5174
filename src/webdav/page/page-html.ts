import type { SummaryLine } from "../../tree/node.ts";
import { pageStyle } from "./page-style.ts";

/** One entry of a directory as it is shown. */
export interface PageRow {
  readonly name: string;
  /** Encoded path. */
  readonly href: string;
  readonly kind: "dir" | "volume" | "text";
  /** Null when it is not known, or means nothing. */
  readonly sizeBytes: number | null;
  /** ms since 1970; null when it is not known. */
  readonly modifiedMs: number | null;
}

/** A text that is shown on the page of its directory. */
export interface PageText {
  readonly name: string;
  readonly href: string;
  readonly text: string;
  /** There is more of it than is shown. */
  readonly cut: boolean;
  /** A line for it can be sent; how. */
  readonly howToWrite: string | null;
}

export interface PageModel {
  /** Names from the root, which is []. */
  readonly path: readonly string[];
  /** Encoded path of the root and of each directory on the way, one more than `path` has names. */
  readonly crumbs: readonly string[];
  readonly summary: readonly SummaryLine[];
  readonly rows: readonly PageRow[];
  readonly texts: readonly PageText[];
  /** Counted from 1. */
  readonly page: number;
  readonly pages: number;
  /** In the whole directory. */
  readonly entries: number;
}

/** The page of a directory. Whatever comes from the tree is escaped. */
export function pageHtml(model: PageModel): string {
  const { path, rows, texts, summary } = model;
  const title = path.length === 0 ? "sheepfs" : path.join("/");
  return [
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    `<title>${escapeHtml(title)}</title>\n`,
    // Else every browser asks for /favicon.ico.
    '<link rel="icon" href="data:,">\n',
    `<style>${pageStyle}</style>\n</head>\n<body>\n`,
    crumbsHtml(model),
    `<main>\n<h1>${escapeHtml(path.at(-1) ?? "sheepfs")}</h1>\n`,
    summaryHtml(summary),
    rows.length === 0 ? '<p class="note">Nothing is in it.</p>\n' : tableHtml(rows),
    pagesHtml(model),
    ...texts.map(textHtml),
    "</main>\n<footer>The same tree can be used over WebDAV at this address.</footer>\n",
    "</body>\n</html>\n",
  ].join("");
}

function crumbsHtml({ path, crumbs }: PageModel): string {
  const names = ["sheepfs", ...path];
  const items = names.map((name, at) => {
    const here = at === names.length - 1 ? ' aria-current="page"' : "";
    return `<li><a href="${escapeHtml(crumbs[at] ?? "")}"${here}>${escapeHtml(name)}</a></li>`;
  });
  return `<nav aria-label="Path"><ol>${items.join("")}</ol></nav>\n`;
}

function summaryHtml(lines: readonly SummaryLine[]): string {
  if (lines.length === 0) return "";
  const items = lines.map(
    ({ label, text }) => `<dt>${escapeHtml(label)}</dt><dd>${escapeHtml(text)}</dd>\n`,
  );
  return `<dl>\n${items.join("")}</dl>\n`;
}

function tableHtml(rows: readonly PageRow[]): string {
  const head =
    '<tr><th scope="col">Name</th><th scope="col" class="size">Size</th>' +
    '<th scope="col" class="time">Changed</th><td></td></tr>';
  return `<table>\n<thead>${head}</thead>\n<tbody>\n${rows.map(rowHtml).join("")}</tbody>\n</table>\n`;
}

function rowHtml({ name, href, kind, sizeBytes, modifiedMs }: PageRow): string {
  const [link, shown] = [escapeHtml(href), escapeHtml(name)];
  const size =
    sizeBytes === null ? "" : `<span title="${sizeBytes} bytes">${sizeText(sizeBytes)}</span>`;
  const time =
    modifiedMs === null
      ? ""
      : `<time datetime="${isoText(modifiedMs)}">${timeText(modifiedMs)}</time>`;
  const take =
    kind === "volume"
      ? `<a href="${link}" download="${shown}" aria-label="Download ${shown}">download</a>`
      : "";
  return (
    `<tr><td><a href="${link}">${shown}${kind === "dir" ? "/" : ""}</a></td>` +
    `<td class="size">${size}</td><td class="time">${time}</td><td>${take}</td></tr>\n`
  );
}

function pagesHtml({ page, pages, entries, crumbs }: PageModel): string {
  if (pages <= 1) return "";
  const here = escapeHtml(crumbs.at(-1) ?? "");
  const link = (to: number, text: string, rel: string): string =>
    to < 1 || to > pages ? "" : `<a href="${here}?page=${to}" rel="${rel}">${text}</a> `;
  return (
    `<nav aria-label="Pages"><p>${link(page - 1, "previous page", "prev")}` +
    `page ${page} of ${pages}, ${entries} entries ${link(page + 1, "next page", "next")}</p></nav>\n`
  );
}

function textHtml({ name, href, text, cut, howToWrite }: PageText): string {
  const more = cut ? `<p><a href="${escapeHtml(href)}">the whole text</a></p>\n` : "";
  const write =
    howToWrite === null
      ? ""
      : `<p class="note">To write a line: <code>${escapeHtml(howToWrite)}</code></p>\n`;
  return (
    `<section>\n<h2><a href="${escapeHtml(href)}">${escapeHtml(name)}</a></h2>\n` +
    `<pre tabindex="0" aria-label="${escapeHtml(name)}">${escapeHtml(text)}</pre>\n${more}${write}</section>\n`
  );
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * For text and for quoted attributes. Characters that no document may have are shown as what stands
 * for them, and those that turn the direction of a line as their number.
 */
export function escapeHtml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[&<>"']/g, (char) => entities[char] ?? char)
    .replace(/[^\P{Cc}\t\n]/gu, "\ufffd")
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) => {
      return `[U+${char.charCodeAt(0).toString(16).toUpperCase()}]`;
    });
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `512 B`, `4.0 KiB`, `12 GiB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1024 belongs to the next unit.
  while (Math.round(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || Number(value.toFixed(1)) >= 10 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

function isoText(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : "";
}

/** `2026-11-25 04:12 UTC` */
function timeText(ms: number): string {
  const iso = isoText(ms);
  return iso === "" ? "" : `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}
