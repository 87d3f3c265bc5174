import type { ClusterInfo, ClusterStatus, EpochFacts } from "../../cluster/info.ts";
import { nodeAddressText } from "./render-node.ts";
import { localTime } from "./time.ts";

/** The words of `dog`. */
const statusTexts: Record<Exclude<ClusterStatus, "running">, string> = {
  waiting_for_format: "Waiting for cluster to be formatted",
  waiting_for_nodes: "Waiting for other nodes to join cluster",
  shutting_down: "System is shutting down",
  failed: "System error",
};

/** What `dog cluster info` prints. */
export function renderClusterInfo(info: ClusterInfo): string {
  const status = `Cluster status: ${statusText(info)}\n\n`;
  if (info.createdSeconds === null) return status;
  const rows = info.epochs.map((epoch) => epochRow(epoch, info.diskMode));
  return (
    `${status}Cluster created at ${dateText(info.createdSeconds)}\n\n` +
    `Epoch Time           Version [Host:Port:V-Nodes,,,]\n${rows.join("")}`
  );
}

export function statusText({ status, autoRecovery }: ClusterInfo): string {
  if (status !== "running") return statusTexts[status];
  return `running, auto-recovery ${autoRecovery ? "enabled" : "disabled"}`;
}

function epochRow({ seconds, epoch, nodes }: EpochFacts, diskMode: boolean): string {
  const members = nodes.map(({ disks, ...node }) => {
    const text = `${nodeAddressText(node)}:${node.vnodes}`;
    return diskMode ? `${text}(${disks})` : text;
  });
  return `${localTime(seconds * 1000)} ${String(epoch).padStart(6)} [${members.join(", ")}]\n`;
}

const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** As ctime writes it in the operator's time zone: `Mon Nov  3 20:24:37 2026`. */
function dateText(seconds: number): string {
  const date = new Date(seconds * 1000);
  const [, time] = localTime(seconds * 1000).split(" ");
  const day = String(date.getDate()).padStart(2);
  return [weekdays[date.getDay()], months[date.getMonth()], day, time, date.getFullYear()].join(
    " ",
  );
}
