/** A bug, as a change of the program's text, which has to be there exactly once. */
export interface Planted {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** One that has found it: it is played first. */
  readonly seed: number;
}

/** Bugs that the simulation has to find. */
export const planted: readonly Planted[] = [
  {
    what: "an object is created while it is being created",
    file: "src/volume/writes.ts",
    from: "if (!whole && !this.#widen(piece)) return;",
    to: "",
    seed: 18,
  },
  {
    what: "a slot is written before its object",
    file: "src/volume/writes.ts",
    from: "    this.#inflight += 1;\n    ports.store.submit(piece);",
    to:
      "    this.#inflight += 1;\n" +
      '    if (kind !== "write") { const early = [{ index: piece.index, value: header.vid }];\n' +
      "      this.#core.index.write(early, this.#core.newScope(), () => {}).catch(() => {}); }\n" +
      "    ports.store.submit(piece);",
    seed: 1,
  },
  {
    what: "a write is acknowledged and its slot never written",
    file: "src/volume/writes.ts",
    from: "    else this.#index(piece, vid);",
    to: "    else { this.#core.index.write = async () => true; this.#index(piece, vid); }",
    seed: 1,
  },
  {
    what: "a refusal of a snapshot is taken for success",
    file: "src/volume/writes.ts",
    from: 'else if (error.code === "read_only") this.#refused(piece, error);',
    to: 'else if (error.code === "read_only") this.#finish(piece, null);',
    seed: 5,
  },
  {
    what: "what a snapshot under way left out is not taken along",
    file: "src/volume/follow.ts",
    from: 'else if (slot !== core.vid || isLeaving) await owe({ index, slot, how: "copy" });',
    to: "",
    seed: 11,
  },
  {
    what: "an inherited object is made anew instead of copied",
    file: "src/volume/plan.ts",
    from: 'return slot === holeSlot || coversObject ? "create" : "cow";',
    to: 'return "create";',
    seed: 26,
  },
  {
    what: "a discarded block is written again before its object is removed",
    file: "src/volume/writes.ts",
    from: "else if (core.touched.isLeaving(piece.index)) void this.#awaitRemoval(piece);",
    to: "",
    seed: 21,
  },
  {
    what: "writes that overlap go together",
    file: "src/volume/writes.ts",
    from: "piece.end = whole ? this.#core.geometry.objectBytes : lockEnd(piece.offset, piece.length);",
    to: "piece.end = whole ? this.#core.geometry.objectBytes : piece.start + 1;",
    seed: 18,
  },
  {
    what: "the range of a write in doubt is opened at once",
    file: "src/volume/writes.ts",
    from: "if (error?.inDoubt === true && !piece.resolvedEarly) {",
    to: "if (error?.inDoubt === true && piece.resolvedEarly) {",
    seed: 64,
  },
  {
    what: "a piece reaches over the end of its object",
    file: "src/volume/plan.ts",
    from: "this.length = Math.min(left, toObjectEnd, toPieceEnd);",
    to: "this.length = Math.min(left, toObjectEnd + 512, toPieceEnd);",
    seed: 1,
  },
  {
    what: "a write is acknowledged while a lost copy of it may still land",
    file: "src/client/dispatcher.ts",
    from: "this.holding.lostAt(flight, connection.address);",
    to: "",
    seed: 83,
  },
  {
    what: "a sheep that is silent for long counts as gone",
    file: "src/client/exclusion.ts",
    from: "    return ran !== null && ran.toMs - Math",
    to: "    return ran === null || ran.toMs - Math",
    seed: 290,
  },
  {
    what: "a write whose answer was lost counts as done",
    file: "src/client/dispatcher.ts",
    from: "        this.counters.replays += 1;\n        this.#wait(flight);\n        return;",
    to:
      "        this.counters.replays += 1;\n" +
      "        if (flight.object !== null && flight.changes) this.#finish(flight, null);\n" +
      "        else this.#wait(flight);\n        return;",
    seed: 1,
  },
  {
    what: "what is sent again is read from a buffer that was given back",
    file: "src/client/dispatcher.ts",
    from: "    flight.keepBody();\n    flight.abandoned = true;",
    to: "    flight.abandoned = true;",
    seed: 62,
  },
  {
    what: "an answer of another length is taken",
    file: "src/client/connection.ts",
    from: "if (!lengthFits(flight)) {",
    to: "if (!lengthFits(flight) && flight.opcode === 0) {",
    seed: 158,
  },
  {
    what: "what a change of members overtook is not sent again",
    file: "src/client/dispatcher.ts",
    from: "if (flight.overtaken) {",
    to: "if (flight.overtaken && flight.opcode === 0) {",
    seed: 18,
  },
  {
    what: "objects are written while they are being recovered",
    file: "src/client/turns.ts",
    from: "    return !flight.changes;",
    to: "    return true;",
    seed: 18,
  },
  {
    what: "objects are made while what was there before is being recovered",
    file: "src/client/turns.ts",
    from: "    return !flight.changes;",
    to: "    return !flight.changes || flight.opcode === 1;",
    seed: 2919,
  },
  {
    what: "a sheep that was stopped after a sign of life counts as having run",
    file: "src/client/exclusion.ts",
    from: "return ran !== null && ran.toMs - ",
    to: "return ran !== null && nowMs - ",
    seed: 12402,
  },
  {
    what: "a block is written anew while a stopped sheep is still to remove its object",
    file: "src/volume/removal.ts",
    from: "store.removalsOver(core.clearedAtMs, scope).then(",
    to: "new Promise<void>((resolve) => void clock.after(4_000, resolve)).then(",
    seed: 3117,
  },
  {
    what: "a discard that was carried out twice counts as over with the first removal",
    file: "src/volume/writes.ts",
    from: "const once = !touched.isOwed(index) && !touched.isRemovedTwice(index);",
    to: "const once = true;",
    seed: 241904,
  },
  {
    what: "what is read of a slot counts although the write of it failed",
    file: "src/volume/touched.ts",
    from: "    return this.#owed.has(index);",
    to: "    return false;",
    seed: 302600,
  },
];
