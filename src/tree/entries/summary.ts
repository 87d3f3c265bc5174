import { asSheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { ClusterInfo } from "../../cluster/info.ts";
import type { VdiFacts } from "../../cluster/vdis.ts";
import { Fresh } from "../fresh.ts";
import type { SpaceInfo, SummaryLine } from "../node.ts";
import type { EntryBase } from "./entry.ts";
import { statusText } from "./render-cluster-info.ts";
import { sizeText } from "./render-size.ts";

interface SummaryFacts {
  info(scope: Scope): Promise<ClusterInfo>;
  vdis(scope: Scope): Promise<readonly VdiFacts[]>;
}

interface AttachedTitles {
  list(): readonly { readonly title: string }[];
}

export interface SummaryPorts {
  readonly facts: SummaryFacts;
  readonly space: Fresh<SpaceInfo>;
  readonly volumes: AttachedTitles;
  /** The sheep in use. */
  readonly gateway: () => string;
}

/** Volumes that are named before the rest of them is only counted. */
const namedMax = 8;
const nobodyAnswers = "unknown: the cluster does not answer";

/**
 * The state of the cluster at a glance. It never fails and is not waited for: what the cluster does
 * not say in a moment is what it said last, or unknown.
 */
export class Summary {
  readonly #ports: SummaryPorts;
  readonly #info: Fresh<ClusterInfo>;
  readonly #vdis: Fresh<readonly VdiFacts[]>;

  constructor(ports: SummaryPorts, { clock, patience, log }: EntryBase) {
    this.#ports = ports;
    const { facts } = ports;
    const told = async <T>(what: string, asked: Promise<T>): Promise<T> => {
      try {
        return await asked;
      } catch (thrown) {
        log.debug(`summary: ${what}: ${asSheepfsError(thrown).message}`);
        throw thrown;
      }
    };
    const shared = { clock, patience };
    this.#info = new Fresh({
      ...{ what: "the cluster's state", ...shared },
      make: (scope) => told("state", facts.info(scope)),
    });
    this.#vdis = new Fresh({
      ...{ what: "the VDIs", ...shared },
      make: (scope) => told("VDIs", facts.vdis(scope)),
    });
  }

  /** What it shows may have changed. */
  invalidate(): void {
    this.#info.invalidate();
    this.#vdis.invalidate();
  }

  async lines(scope: Scope): Promise<readonly SummaryLine[]> {
    const { space, volumes, gateway } = this.#ports;
    const [info, vdis, known] = await Promise.all([
      this.#info.getSoon(scope),
      this.#vdis.getSoon(scope),
      space.getSoon(scope),
    ]);
    return [
      { label: "Cluster", text: info === null ? nobodyAnswers : statusText(info) },
      { label: "Nodes", text: info === null ? nobodyAnswers : nodesText(info) },
      { label: "Space", text: known === null ? nobodyAnswers : spaceText(known) },
      { label: "VDIs", text: vdis === null ? nobodyAnswers : vdisText(vdis) },
      { label: "Attached", text: attachedText(volumes) },
      { label: "Sheep", text: gateway() },
    ];
  }
}

function nodesText({ epochs }: ClusterInfo): string {
  const newest = epochs[0];
  return newest === undefined ? "0" : `${newest.nodes.length}, epoch ${newest.epoch}`;
}

function spaceText({ totalBytes, freeBytes }: SpaceInfo): string {
  const usedBytes = totalBytes - freeBytes;
  const percent = totalBytes === 0 ? 0 : Math.trunc((usedBytes / totalBytes) * 100);
  return (
    `${sizeText(freeBytes)} free of ${sizeText(totalBytes)} ` +
    `(${sizeText(usedBytes)} used, ${percent} %)`
  );
}

function vdisText(vdis: readonly VdiFacts[]): string {
  const working = vdis.filter(({ header }) => !header.isSnapshot);
  const bytes = working.reduce((sum, { header }) => sum + header.vdiSize, 0);
  const snapshots = vdis.length - working.length;
  const size = working.length === 0 ? "" : ` of ${sizeText(bytes)} together`;
  return `${working.length}${size}, ${snapshots} ${snapshots === 1 ? "snapshot" : "snapshots"}`;
}

function attachedText(volumes: AttachedTitles): string {
  const titles = volumes.list().map(({ title }) => title);
  if (titles.length === 0) return "none; write a VDI's name to vdi/mount";
  const more = titles.length - namedMax;
  const named = titles.slice(0, namedMax).join(", ");
  return `${titles.length}: ${named}${more > 0 ? ` and ${more} more` : ""}`;
}
