import type { Clock } from "../../base/clock.ts";
import { limits } from "../../base/limits.ts";
import { impatient, waitWithin } from "../../base/waiting.ts";
import { bodyTooLarge, wholeBody } from "../content/write-file.ts";
import type { DavRequest } from "../site.ts";
import type { XmlElement } from "./element.ts";
import { parseXml } from "./parse.ts";

/**
 * The XML in the body of a request, whatever its type is said to be; null when there is no body.
 * @throws invalid | too_large | timed_out when it does not come soon enough
 */
export async function readXmlBody(
  { body, scope }: Pick<DavRequest, "body" | "scope">,
  clock: Clock,
): Promise<XmlElement | null> {
  if (body.announcedBytes === 0) return null;
  const bytesMax = limits.davXmlBytesMax;
  if ((body.announcedBytes ?? 0) > bytesMax) throw bodyTooLarge(bytesMax);
  const soon = impatient(scope, clock, limits.davXmlTimeoutMs);
  const what = "the body of the request";
  const bytes = await waitWithin(wholeBody(body, bytesMax), soon, { clock, what });
  return bytes.length === 0 ? null : parseXml(bytes);
}
