// Put in by build.ts; absent when the sources run as they are.
declare const BUILD_VERSION: string;
declare const BUILD_COMMIT: string;
declare const BUILD_DATE: string;

/** `sheepfs 1.2.3 (commit abc)`. */
export function versionLine(): string {
  const version = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "unbuilt";
  const commit = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "unknown";
  return `sheepfs ${version} (commit ${commit})`;
}

/** The day of the commit, `2026-11-26`; empty when nobody knows it. */
export function buildDate(): string {
  return typeof BUILD_DATE === "string" ? BUILD_DATE : "";
}
