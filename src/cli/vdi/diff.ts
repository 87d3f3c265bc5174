import type { DiffSummary } from "../../app/backup/diff.ts";
import type { Difference } from "../../app/backup/differences.ts";
import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printError, printOutput } from "../output.ts";
import { sizeWithUnit } from "../size-text.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const backup = () => import("../../app/backup/diff.ts");

const extentsAtOnce = 1_000;
const offsetWidth = 20;
const lengthWidth = 16;

export const diff: Command = {
  meta: {
    name: "sheepfs vdi diff",
    description: "Print where two VDIs or snapshots differ, without reading what they hold",
  },
  args: {
    a: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    b: {
      type: "positional",
      description: "NAME, NAME@TAG or NAME@ID of the later",
      required: true,
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi diff test@monday test
      what was written since monday, in whole objects: 'changed' and 'added' ones, and those that
      were 'removed', which read as zeros. Of VDIs that were not made of each other all is different
  sheepfs vdi diff test@monday test@tuesday --json | jq .changedBytes
      the same as data: extents in bytes, and sums`,
  run: async (values) => {
    const wish = {
      gateways: gatewaysOf(values),
      before: values.required("a"),
      after: values.required("b"),
    };
    const print = values.flag("json") ? jsonPrinter() : tablePrinter();
    using interruption = new Interruption();
    const summary = await (await backup()).diffVdis(wish, async (difference) => {
      interruption.check();
      await print.extent(difference);
    });
    await print.end(summary);
  },
};

interface Printer {
  extent(difference: Difference): Promise<void>;
  end(summary: DiffSummary): Promise<void>;
}

function tablePrinter(): Printer {
  const lines = gathered();
  const head = ["OFFSET".padStart(offsetWidth), "LENGTH".padStart(lengthWidth), "KIND"].join("  ");
  let begun = false;
  const begin = (): string => (begun ? "" : `${head}\n`);
  return {
    extent: async ({ offset, length, kind }) => {
      const cells = [String(offset).padStart(offsetWidth), String(length).padStart(lengthWidth)];
      await lines.add(`${begin()}${cells.join("  ")}  ${kind}\n`);
      begun = true;
    },
    end: async (summary) => {
      await lines.add(begin());
      await lines.flush();
      printError(summaryText(summary));
    },
  };
}

function summaryText({ changedBytes, addedBytes, removedBytes, ...rest }: DiffSummary): string {
  const differ = changedBytes + addedBytes + removedBytes;
  const { before, after, sharedBytes } = rest;
  const sizes =
    before.sizeBytes === after.sizeBytes
      ? ""
      : `; sizes ${before.sizeBytes} and ${after.sizeBytes} bytes`;
  const unrelated = differ > 0 && sharedBytes === 0 ? "; they have no object in common" : "";
  return `${sizeWithUnit(differ)} differ, ${sizeWithUnit(sharedBytes)} are the same objects${sizes}${unrelated}`;
}

/** One object, whose extents are printed as they come. */
function jsonPrinter(): Printer {
  const lines = gathered();
  let begin = '{\n  "extents": [';
  return {
    extent: async (difference) => {
      await lines.add(`${begin}\n    ${JSON.stringify(difference)}`);
      begin = ",";
    },
    end: async (summary) => {
      const rest = JSON.stringify(summary, null, 2).slice(1);
      await lines.add(`${begin === "," ? "\n  " : begin}],${rest}\n`);
      await lines.flush();
    },
  };
}

/** A write for each of very many lines would take longer than finding them. */
function gathered() {
  let texts: string[] = [];
  const flush = async (): Promise<void> => {
    await printOutput(texts.join(""));
    texts = [];
  };
  return {
    flush,
    add: async (text: string): Promise<void> => {
      texts.push(text);
      if (texts.length >= extentsAtOnce) await flush();
    },
  };
}
