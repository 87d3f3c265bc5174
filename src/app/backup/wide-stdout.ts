import { widenPipe } from "../../sys/tube.ts";

/** For whoever writes much to it. */
export function widenStdout(): void {
  widenPipe(1);
}
