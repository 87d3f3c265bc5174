import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { silentLogger } from "../../src/base/log.ts";
import { startSheep } from "../../src/sheep/server.ts";
import { TemporaryFolder } from "../support/process.ts";
import { differences, type Times } from "./compare.ts";
import { type Capture, captureNames, loadCapture } from "./load.ts";
import { format } from "./operations.ts";
import { RawClient, type RawReply } from "./raw-client.ts";
import { type Chapter, notReplayed, stories } from "./stories.ts";

/** Sends a recording's requests in their order. */
async function replay(chapter: Chapter, capture: Capture, client: RawClient): Promise<RawReply[]> {
  if (capture.pipelined) {
    const bytes = capture.steps.map(({ request }) => request.header);
    const ids = capture.steps.map(({ request }) =>
      new DataView(request.header.buffer).getUint32(8, true),
    );
    const replies = Promise.all(ids.map((id) => client.reply(id)));
    client.sendBytes(Buffer.concat(bytes));
    return await replies;
  }
  const replies: RawReply[] = [];
  for (const [index, { request }] of capture.steps.entries()) {
    await chapter.meanwhile?.[index]?.(client, capture.steps);
    replies.push(await client.exchange(request.header, request.data));
  }
  return replies;
}

/** What is not as recorded, and what is recorded but was meant to differ. */
function judge(chapter: Chapter, capture: Capture, replies: readonly RawReply[], times: Times) {
  const wrong: string[] = [];
  capture.steps.forEach((step, index) => {
    const reply = replies[index];
    const until = chapter.until?.step ?? Number.POSITIVE_INFINITY;
    if (reply === undefined || index > until) return;
    const found = differences(step, reply, times);
    const isMeant = index === until || chapter.differs?.[index] !== undefined;
    if (isMeant && found.length === 0) wrong.push(`step ${index} does not differ`);
    if (!isMeant) wrong.push(...found.map((text) => `step ${index} (${step.note}) ${text}`));
  });
  return wrong;
}

for (const story of stories) {
  describe(`the embedded sheep answers as sheep 1.0 did: ${story.name}`, () => {
    test("all of it", async () => {
      using folder = new TemporaryFolder();
      const sheep = await startSheep({
        dir: join(folder.path, "sheep"),
        listen: { host: "127.0.0.1", port: 0 },
        copies: null,
        log: silentLogger,
      });
      try {
        await using client = await RawClient.connect(sheep.address);
        if (story.flags !== null) await format(client, story.flags);
        const times: Times = new Map();
        const wrong: Record<string, string[]> = {};
        for (const chapter of story.chapters) {
          const capture = loadCapture(chapter.name);
          await chapter.before?.(client, capture.steps);
          const found = judge(chapter, capture, await replay(chapter, capture, client), times);
          if (found.length > 0) wrong[chapter.name] = found;
        }
        expect(wrong).toEqual({});
      } finally {
        await sheep.stop();
      }
    });
  });
}

test("every recording is replayed, or there is a reason why not", () => {
  const replayed = stories.flatMap(({ chapters }) => chapters.map(({ name }) => name));
  const named = [...replayed, ...Object.keys(notReplayed)].sort();
  expect(named).toEqual(captureNames());
});
