import type { HttpResponse } from "../http/exchange.ts";
import { refusal } from "./refusal.ts";

/** What macOS would leave beside every file and in every directory. */
const clutter = /^(?:\._.*|\.DS_Store)$/;

/** Why nothing is made under a name, whatever it is and by whatever method; null when it may be. */
export function clutterRefusal(name: string): HttpResponse | null {
  return clutter.test(name) ? refusal(403, `'${name}' is not kept here`) : null;
}
