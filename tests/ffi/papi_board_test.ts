/** The library that shows the board of power to PAPI, in a program with functions of libsde of its own: PAPI is not needed. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BoardLayout, PowerBoard } from "../../lib/power/glue/board.ts";
import { meter, snapshotAt } from "../lib/power/meters.ts";
import { compiled, newPath, run, test } from "./paging_programs.ts";
import { BoardReader, headBytes, kindAt, papiLibrary, papiPreload, rawBoard, type RawSlot, slotBytes } from "./papi_programs.ts";
import { hasCompiler } from "./host.ts";
import { checkout } from "./programs.ts";
import { sanitizer } from "./sanitizer.ts";

const missing = hasCompiler ? "" : " [needs gcc]";
const flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-rdynamic"];
const client = hasCompiler ? await compiled(["gcc", "-std=c17"], [...flags, `${checkout}tests/ffi/papi_board_client.c`, "-ldl"]) : "";

const slots: RawSlot[] = [
  { name: "package0_energy_uj", text: "energy of a package", kind: 0 },
  { name: "package0_power_uw", text: "power of a package", kind: 1 },
];
const none = -(2n ** 63n);

function writeBoard(bytes: Uint8Array<ArrayBuffer>): string {
  const path = newPath("board");
  Deno.writeFileSync(path, bytes);
  return path;
}

/** Changes bytes of a file that is mapped. */
function change(path: string, at: number, value: bigint): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(BigInt64Array.of(value).buffer));
}

test("the layout of a board is that of the C library", missing, async () => {
  const program = await compiled(["gcc", "-std=c17"], [`-I${checkout}ffi/papi`, `${checkout}tests/ffi/papi_layout.c`]);
  const { out } = await run([program]);
  assert.deepEqual(JSON.parse(out), { size: BoardLayout.size, offsets: BoardLayout.offsets, slot: slotBytes, kindAt });
  assert.equal(BoardLayout.size, headBytes);
});

test("slots become events, with their descriptions and kinds", missing, async () => {
  await using reader = new BoardReader(client, writeBoard(rawBoard(slots, [5n, 7n])));
  assert.deepEqual(await reader.registered(), [
    "library nodeos",
    "counter package0_energy_uj: energy of a package",
    "gauge package0_power_uw: power of a package",
    "gauge age_us: How long ago the others were read, in microseconds; -1: nobody reads them any more",
  ]);
  assert.deepEqual(await reader.end(), { code: 0, err: "" });
});

test("a program that lists events with functions of its own gets all of them", missing, async () => {
  await using reader = new BoardReader(client, writeBoard(rawBoard(slots, [5n, 7n])), ["list"]);
  const all = await reader.registered();
  assert.deepEqual([all[0], all[1]], ["library nodeos", "listing nodeos"]);
  assert.equal(all.filter((line) => line.includes("package0_energy_uj")).length, 2);
});

test("values are those of the copy that counts, and change while the program runs", missing, async () => {
  const path = writeBoard(rawBoard(slots, [5n, 7n]));
  const copies = [headBytes + 2 * slotBytes, headBytes + 2 * slotBytes + 24], sequenceAt = BoardLayout.offsets.sequence;
  await using reader = new BoardReader(client, path);
  await reader.registered();
  const seen = async () => Object.values(await reader.values()).slice(0, 2);
  assert.deepEqual(await seen(), [5n, 7n]);
  // Nobody looks at the even copy while the sequence is odd.
  change(path, copies[0] + 8, 50n);
  change(path, copies[0] + 16, none);
  assert.deepEqual(await seen(), [5n, 7n]);
  change(path, sequenceAt, 2n);
  assert.deepEqual(await seen(), [50n, -1n]);
  change(path, copies[1] + 8, 51n);
  change(path, sequenceAt, 3n);
  assert.deepEqual(await seen(), [51n, 7n]);
  // The writer ends: a counter stands still, a gauge has no value.
  change(path, BoardLayout.offsets.writerPid, 0n);
  assert.deepEqual(Object.values(await reader.values()), [51n, -1n, -1n]);
});

test("a value that changes while it is read is the old or the new one", missing, async () => {
  const path = newPath("board");
  using board = PowerBoard.create([meter("a", { unit: "count" })], path);
  // Every byte of one differs from that of the other.
  const [low, high] = [0x0001010101010101, -0x0001010101010102];
  board.publish(snapshotAt(1, [low]));
  await using reader = new BoardReader(client, path);
  await reader.registered();
  const seen = new Set<bigint>();
  // On a busy machine one side may rest while the other works.
  for (let tries = 0; seen.size < 2 && tries < 200; tries++) {
    let isOver = false;
    const values = reader.values("storm").finally(() => isOver = true);
    for (let count = 0; !isOver; count++) {
      board.publish(snapshotAt(count, [count % 2 === 0 ? high : low]));
      if (count % 64 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    for (const value of Object.values(await values)) seen.add(value);
  }
  assert.deepEqual([...seen].toSorted(), [BigInt(high), BigInt(low)].toSorted());
});

test("before values were written for the first time there are none", missing, async () => {
  const bytes = rawBoard(slots, [5n, 7n]);
  new DataView(bytes.buffer).setBigUint64(BoardLayout.offsets.sequence, 0n, true);
  await using reader = new BoardReader(client, writeBoard(bytes));
  await reader.registered();
  assert.deepEqual(Object.values(await reader.values()), [-1n, -1n, -1n]);
});

test("the age of values is that of the kernel's clock", missing, async () => {
  const uptimeNs = () => BigInt(Math.round(Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1e9));
  await using reader = new BoardReader(client, writeBoard(rawBoard(slots, [5n, 7n], 1_000_000_000n)));
  await reader.registered();
  const before = uptimeNs(), { age_us: age } = await reader.values();
  // Two digits behind the point are all that the file has; the other side counts time asleep.
  assert.ok(age > 0n && age * 1000n <= uptimeNs() && age * 1000n > before / 2n - 2_000_000_000n, `${age}`);
});

for (
  const [name, make, words] of [
    ["no board", () => "/nowhere/board", "No such file or directory"],
    ["a directory", () => checkout, "it is none of this version"],
    ["an empty file", () => writeBoard(new Uint8Array()), "it is none of this version"],
  ] as const
) {
  test(`a program whose environment names ${name} is told, and runs without events`, missing, async () => {
    await using reader = new BoardReader(client, make());
    assert.deepEqual(await reader.registered(), []);
    const { code, err } = await reader.end();
    assert.equal(code, 0);
    assert.match(err, new RegExp(`^nodeos: cannot read the board of power .*: ${words}\n$`));
  });
}

test("a board that is wrong anywhere is refused", missing, async () => {
  const wrongs: [what: string, at: number, value: bigint, bytes: 4 | 8][] = [
    ["magic", 0, 1n, 8],
    ["version", 8, 2n, 4],
    ["more slots than there are", 12, 4n, 4],
    ["slots beyond all bounds", 12, 0xffffffffn, 4],
    ["slots that overflow", 12, 65537n, 4],
    ["values that are not aligned", 40, BigInt(headBytes + 1), 8],
    ["values behind the end", 48, 1n << 40n, 8],
    ["values that overflow", 48, (1n << 64n) - 8n, 8],
    ["values that reach over the end", 48, BigInt(headBytes + 2 * slotBytes + 32), 8],
    ["a name without a letter", headBytes, 0n, 4],
    ["a text without a letter", headBytes + slotBytes + 96, 0n, 4],
  ];
  for (const [what, at, value, size] of wrongs) {
    const bytes = rawBoard(slots, [1n, 2n]), view = new DataView(bytes.buffer);
    if (size === 8) view.setBigUint64(at, value, true);
    else view.setUint32(at, Number(value), true);
    const { code, out, err } = await run([client, papiLibrary], { ...sanitizer, NODEOS_POWER_BOARD: writeBoard(bytes) });
    assert.deepEqual([code, out, /it is none of this version\n$/.test(err)], [0, "ready\n", true], `${what}: ${out}${err}`);
  }
  const endless = rawBoard(slots, [1n, 2n]).fill(0x61, headBytes, headBytes + 96);
  const { err } = await run([client, papiLibrary], { ...sanitizer, NODEOS_POWER_BOARD: writeBoard(endless) });
  assert.match(err, /none of this version/);
});

test("no bytes of a board can harm a program", missing, async () => {
  const word = fc.record({ at: fc.nat({ max: headBytes + 2 * slotBytes + 60 }), value: fc.oneof(fc.nat(600), fc.integer()) });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 700 }), async (words, length) => {
      const bytes = rawBoard(slots, [1n, 2n]), view = new DataView(bytes.buffer);
      for (const { at, value } of words) if (at + 4 <= bytes.length) view.setInt32(at, value, true);
      const path = writeBoard(bytes.subarray(0, Math.min(length, bytes.length)) as Uint8Array<ArrayBuffer>);
      const { code } = await run([client, papiLibrary], { ...sanitizer, NODEOS_POWER_BOARD: path }, "\n\n");
      assert.equal(code, 0);
      Deno.removeSync(path);
    }),
    { numRuns: 60 },
  );
});

test("a program without PAPI starts as before", missing, async () => {
  assert.deepEqual(await run(["echo", "fine"], { LD_PRELOAD: papiPreload }), { code: 0, out: "fine\n", err: "" });
});
