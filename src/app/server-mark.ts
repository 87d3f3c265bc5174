import { serverMark } from "../keeper/protocol.ts";

/** Whether a keeper has started this process as a server. */
export function isKeptServer(): boolean {
  return process.env[serverMark] !== undefined;
}

/** Where relative paths of the command line begin. */
export function startedIn(): string {
  return isKeptServer() ? (process.env["PWD"] ?? process.cwd()) : process.cwd();
}
