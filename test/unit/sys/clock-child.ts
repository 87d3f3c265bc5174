// Tells of a timer of 1.5 s, and how long it took as the clock has it; the parent stops it meanwhile.
import { realClock } from "../../../src/sys/clock.ts";

const beganMs = realClock.nowMs();
realClock.after(1_500, () => console.log(Math.round(realClock.nowMs() - beganMs)));
console.log("begun");
