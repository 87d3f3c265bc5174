import type { Address } from "../../base/address.ts";
import { clearMark as clear, type MarkKind, writeMark as write } from "../../cluster/vdi-mark.ts";
import { unescapeName } from "../../tree/names.ts";
import { withCluster } from "../verbs/cluster.ts";

interface WrittenPlace {
  /** Escaped as in the tree. */
  readonly name: string;
  readonly kind: MarkKind;
}

/** See `writeMark` of the cluster. */
export async function writeMark(
  gateways: readonly Address[],
  { name, kind }: WrittenPlace,
  about: unknown,
): Promise<void> {
  await withCluster(gateways, (caller, scope) =>
    write(caller, { name: unescapeName(name), kind }, about, scope),
  );
}

export async function clearMark(
  gateways: readonly Address[],
  { name, kind }: WrittenPlace,
): Promise<void> {
  await withCluster(gateways, (caller, scope) =>
    clear(caller, { name: unescapeName(name), kind }, scope),
  );
}
