import { describe, expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Scope } from "../../../src/base/scope.ts";
import type { Damage } from "../../../src/cluster/check-look.ts";
import { ObjectRequestHeader, type SheepRequest } from "../../../src/wire/header.ts";
import { slotBytes, slotOffset } from "../../../src/wire/inode.ts";
import { readOid } from "../../../src/wire/oid.ts";
import { results } from "../../../src/wire/result.ts";
import { runCheck } from "./check-run.ts";
import { MemorySheep, text } from "./memory-sheep.ts";

/** Has every inode, and of objects of data none. */
class Lossy extends MemorySheep {
  missed: () => void = () => {};

  override async callAt(
    address: Address,
    request: SheepRequest,
    scope: Scope,
    expected: readonly number[] = [],
  ) {
    if (request.opcode !== "readPeer") return await super.callAt(address, request, scope, expected);
    const header = new DataView(request.header.buffer);
    const { dataLength } = ObjectRequestHeader.read(header, 0);
    if (readOid(header, ObjectRequestHeader.offsets.oidLow)?.kind === "inode") {
      return { header, result: 0, data: new Uint8Array(dataLength) };
    }
    this.missed();
    return { header, result: results.noObject.code, data: new Uint8Array(0) };
  }
}

function given() {
  const sheep = new Lossy();
  const vid = sheep.add({ name: text("test"), vdiSize: 2 ** 23, copies: 1 }, { 0: 77 });
  const damages: Damage[] = [];
  const told: string[] = [];
  const check = () =>
    runCheck({
      ...{ sheep, damages, header: sheep.headerOf(vid) },
      looked: ({ owner, block }, isDamaged) => told.push(`${owner} ${block} ${isDamaged}`),
    });
  return { sheep, vid, check, damages, told };
}

// [S-152]
describe("an object that seems damaged", () => {
  test("is named when it stays so, and needs no look for another VDI", async () => {
    const { check, damages, told } = given();
    expect(await check()).toMatchObject({ objects: 2, damagedObjects: 1 });
    expect(damages.map(({ what, oid }) => `${what} ${oid.vid} ${oid.index}`)).toContain(
      "lost 77 0",
    );
    expect(told).toEqual(["77 0 true"]);
  });

  test("and that the VDI has no more by the next look is left to who has it still", async () => {
    const { sheep, vid, check, damages, told } = given();
    sheep.missed = () => sheep.put(vid, slotOffset(0), new Uint8Array(slotBytes).fill(1));
    expect(await check()).toMatchObject({ objects: 2, damagedObjects: 0 });
    expect([damages, told]).toEqual([[], []]);
  });
});
