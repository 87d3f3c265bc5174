import { formatAddress } from "../../base/address.ts";
import type { Clock } from "../../base/clock.ts";
import { SheepfsError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Scope } from "../../base/scope.ts";
import type { ClusterInfo } from "../../cluster/info.ts";
import type { NodeSpace } from "../../cluster/nodes.ts";
import type { ListedHeaders, VdiFacts } from "../../cluster/vdis.ts";
import type { AttachedVolumes } from "../../volume/attach.ts";
import { FixedDir } from "../dir.ts";
import { EventHub, NodeIds } from "../events.ts";
import { Fresh } from "../fresh.ts";
import type { Node, SpaceInfo, Tree } from "../node.ts";
import { Patience } from "../patience.ts";
import { scratchDir } from "../scratch.ts";
import { TextNode } from "../text.ts";
import {
  type ConfigPort,
  objectCacheControl,
  pageCacheControl,
  type Switch,
  sheepInfoControl,
} from "./config.ts";
import type { EntryBase } from "./entry.ts";
import { FamilyList } from "./families.ts";
import { announced, type VdiLife } from "./life.ts";
import { renderClusterInfo } from "./render-cluster-info.ts";
import { type ListedNode, renderNodeInfo, renderNodeList } from "./render-node.ts";
import { type ConnectionStatus, renderStatus } from "./render-status.ts";
import { renderVdiList } from "./render-vdi-list.ts";
import { SnapshotDir } from "./snapshot.ts";
import { Summary } from "./summary.ts";
import { mountControl, snapshotControl, unmountControl } from "./vdi.ts";
import { VdiDir } from "./vdi-dir.ts";
import { VolumeDir } from "./volume-dir.ts";

/** What the tree shows of a cluster; the functions of `cluster/` with a client bound to them. */
export interface ClusterFacts {
  info(scope: Scope): Promise<ClusterInfo>;
  vdis(scope: Scope): Promise<readonly VdiFacts[]>;
  /** @param known an earlier one, of which snapshots need not be read again */
  headers(scope: Scope, known: ListedHeaders | null): Promise<ListedHeaders>;
  /** Of one VDI; null when it is deleted or cannot be read. */
  vdi(vid: number, scope: Scope): Promise<VdiFacts | null>;
  nodes(scope: Scope): Promise<readonly ListedNode[]>;
  nodeSpaces(scope: Scope): Promise<readonly NodeSpace[]>;
  space(scope: Scope): Promise<SpaceInfo>;
}

export interface TreePorts {
  readonly facts: ClusterFacts;
  readonly life: VdiLife;
  readonly volumes: AttachedVolumes;
  readonly config: ConfigPort;
  readonly status: () => ConnectionStatus;
  /** Whether the kernel may cache volumes; config/page_cache sets it. */
  readonly pageCache: Switch;
  /** With `scratch/`, where everything can be made, in memory. */
  readonly scratch: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The whole tree of a cluster. */
export function buildTree(ports: TreePorts): Tree {
  const { facts, volumes, config, clock, log } = ports;
  const events = new EventHub();
  const bornMs = clock.wallMs();
  const patience = new Patience();
  const base: EntryBase = { ids: new NodeIds(), clock, log, events, patience, bornMs };
  const rootId = base.ids.next();
  const { pageCache } = ports;
  const { clusterInfo, clusterStatus, vdiList, nodeInfo, nodeList } = textsOf(ports, base);
  const mount = mountControl(volumes, base);
  const unmount = unmountControl(volumes, base);
  volumes.on(() => {
    mount.changed();
    unmount.changed();
  });
  const space = new Fresh({ what: "df", make: (scope) => facts.space(scope), clock, patience });
  const gateway = (): string => formatAddress(config.gateway);
  const summary = new Summary({ facts, space, volumes, gateway }, base);
  const changed = (...texts: readonly TextNode[]): void => {
    space.invalidate();
    summary.invalidate();
    for (const node of texts) node.changed();
  };
  const families = new FamilyList((scope, known) => facts.headers(scope, known), base);
  // Another sheep may be of another cluster.
  const moved = (): void => {
    families.forget();
    changed(clusterInfo, clusterStatus, vdiList, nodeInfo, nodeList);
  };
  const written = (): void => {
    vdi.changed();
    changed(vdiList, nodeInfo);
  };
  const life = announced(ports.life, () => {
    families.invalidate();
    written();
  });

  const snapshots = new SnapshotDir({ ...base, families, volumes, life });
  const snapshot = snapshotControl(life, (name, tag) => snapshots.made(name, tag), base);
  const controls = { list: vdiList, mount, unmount, snapshot };
  const vdi = new VdiDir({ ...base, families, volumes, life, facts, controls });
  const dir = (children: Readonly<Record<string, Node>>): FixedDir =>
    new FixedDir(base.ids.next(), bornMs, children);
  const root = new FixedDir(rootId, bornMs, {
    cluster: dir({ info: clusterInfo, status: clusterStatus }),
    vdi,
    volume: new VolumeDir({ ...base, volumes, life, pageCache, written }),
    snapshot: snapshots,
    node: dir({ info: nodeInfo, list: nodeList }),
    config: dir(settingsOf(ports, moved, base)),
    ...(ports.scratch ? { scratch: scratchDir(base) } : {}),
  });
  return {
    ...{ root, events },
    space: (scope) => spaceSoon(space, scope),
    summary: (scope) => summary.lines(scope),
  };
}

function settingsOf({ config, pageCache }: TreePorts, moved: () => void, base: EntryBase) {
  return {
    sheep_info: sheepInfoControl(config, moved, base),
    page_cache: pageCacheControl(pageCache, base),
    object_cache: objectCacheControl(config, base),
  };
}

function textsOf({ facts, volumes, status }: TreePorts, base: EntryBase) {
  const text = (path: string, render: (scope: Scope) => Promise<string>): TextNode =>
    new TextNode({ ...base, id: base.ids.next(), path, render });
  const now = (): number => base.clock.wallMs();
  return {
    clusterInfo: text("cluster/info", async (scope) => renderClusterInfo(await facts.info(scope))),
    clusterStatus: text("cluster/status", async () =>
      renderStatus(status(), volumes.list(), now()),
    ),
    vdiList: text("vdi/list", async (scope) => renderVdiList(await facts.vdis(scope))),
    nodeInfo: text("node/info", (scope) => nodeInfoText(facts, scope)),
    nodeList: text("node/list", async (scope) => renderNodeList(await facts.nodes(scope))),
  };
}

async function nodeInfoText(facts: ClusterFacts, scope: Scope): Promise<string> {
  const [spaces, vdis] = await Promise.all([facts.nodeSpaces(scope), facts.vdis(scope)]);
  const working = vdis.filter(({ header }) => !header.isSnapshot);
  return renderNodeInfo(
    spaces,
    working.reduce((bytes, { header }) => bytes + header.vdiSize, 0),
  );
}

/** A df, or an unmount, which asks too, is not to wait for a cluster that is gone. */
async function spaceSoon(space: Fresh<SpaceInfo>, scope: Scope): Promise<SpaceInfo> {
  const known = await space.getSoon(scope);
  if (known !== null) return known;
  throw new SheepfsError("unavailable", "the cluster does not say how much space it has");
}
