import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../../http/exchange.ts";
import type { AccessLog } from "./access-log.ts";
import type { Admission, Authenticator } from "./auth.ts";
import { corsHeaders, type OriginRules, preflight, strangerRefusal } from "./origin.ts";

export interface DoorOptions {
  readonly rules: OriginRules;
  /** Null when nobody is asked who he is. */
  readonly auth: Authenticator | null;
  readonly log: AccessLog | null;
}

/** Answers who was let in; the user is null where nobody logs in. */
export type InsideHandler = (
  request: HttpRequest,
  user: string | null,
) => MaybePromise<HttpResponse>;

/** Browsers ask for it beside whatever they show, and complain of an error. */
const iconTarget = "/favicon.ico";
const noIcon: HttpResponse = {
  status: 204,
  headers: [["Cache-Control", "max-age=86400"]],
  body: null,
};

const anybody: Admission = { user: null, refused: null };

/** Everything that a request passes before a method sees it, and what its answer gets on the way. */
export function behindDoor(inner: InsideHandler, { rules, auth, log }: DoorOptions): HttpHandler {
  const finish = (
    request: HttpRequest,
    user: string | null,
    response: HttpResponse,
  ): HttpResponse => {
    const cors = corsHeaders(request, rules);
    const headers = cors.length === 0 ? response.headers : [...response.headers, ...cors];
    const whole = cors.length === 0 ? response : { ...response, headers };
    return log === null ? whole : log.note(request, user, whole);
  };
  const enter = (
    request: HttpRequest,
    { user, refused }: Admission,
  ): MaybePromise<HttpResponse> => {
    if (refused !== null) return finish(request, user, refused);
    const response = inner(request, user);
    return response instanceof Promise
      ? response.then((one) => finish(request, user, one))
      : finish(request, user, response);
  };
  return (request) => {
    // Before the login: a browser asks without one.
    const early = strangerRefusal(request, rules) ?? preflight(request, rules);
    if (early !== null) return finish(request, null, early);
    if (request.target === iconTarget && request.method === "GET") {
      return finish(request, null, noIcon);
    }
    const admission = auth === null ? anybody : auth.admit(request);
    return admission instanceof Promise
      ? admission.then((one) => enter(request, one))
      : enter(request, admission);
  };
}
