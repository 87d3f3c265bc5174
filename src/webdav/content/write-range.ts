import type { HttpResponse } from "../../http/exchange.ts";
import type { Extent, FileNode } from "../../tree/node.ts";
import { done } from "../answers.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";
import { storeBody } from "./write-file.ts";

export interface RangeWish {
  readonly node: FileNode;
  readonly extent: Extent;
  /** What the client takes the file's size to be; null when it does not say. */
  readonly totalBytes: number | null;
}

/** A file whose size follows from what is written, rather than a volume of a given one. */
export function grows(node: FileNode): boolean {
  return node.traits.seekable && node.traits.extensible;
}

/**
 * Writes the body, which was announced as long as the extent, exactly there.
 * @returns 204, or 416 when the extent is not within the file, 400 when its size is another one
 */
export async function writeRange(
  request: DavRequest,
  site: Site,
  { node, extent, totalBytes }: RangeWish,
): Promise<HttpResponse> {
  const { offset, length } = extent;
  const file = await node.open("write", request.scope);
  const sizeBytes = file.sizeBytes();
  const growing = grows(node);
  const outside = growing ? offset > sizeBytes : offset + length > sizeBytes;
  if (outside || (!growing && totalBytes !== null && totalBytes !== sizeBytes)) {
    await file.close();
    return outside
      ? unsatisfiable(sizeBytes)
      : refusal(400, `the file has ${sizeBytes} bytes and not ${totalBytes}`);
  }
  const endBytes = offset + length;
  await storeBody({ body: request.body, file, offset, endBytes, writes: site.writes });
  return done(204);
}

/** 416 with the size that the file has (RFC 9110 §15.5.17). */
export function unsatisfiable(sizeBytes: number): HttpResponse {
  return refusal(416, `the file has ${sizeBytes} bytes; the range is not within it`, [
    ["Content-Range", `bytes */${sizeBytes}`],
  ]);
}
