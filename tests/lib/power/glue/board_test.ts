import assert from "node:assert/strict";
import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { RefusedError, UsageError } from "../../../../lib/errors.ts";
import { BoardLayout, PowerBoard } from "../../../../lib/power/glue/board.ts";
import { startTicksOf } from "../../../../lib/plan/store.ts";
import { energyMeter, meter, snapshotAt } from "../meters.ts";

const kernel = new KernelRoot();
// Opened within a test, the library would count as a leak.
startTicksOf(kernel, Deno.pid);
const none = -(2n ** 63n);
const meters = [energyMeter("package0/energy"), meter("package0/power-limit"), meter("core3/temperature", { unit: "degC" })];

/** What a reader finds in the file: the head, and values by the names of slots. */
function look(path: string) {
  const bytes = Deno.readFileSync(path);
  const head = BoardLayout.read(bytes), view = new DataView(bytes.buffer), decoder = new TextDecoder();
  const text = (at: number) => decoder.decode(bytes.subarray(at, bytes.indexOf(0, at)));
  const valuesAt = Number(head.valuesAt[Number(head.sequence & 1n)]);
  const slots = Array.from({ length: head.slotCount }, (_, index) => {
    const at = BoardLayout.size + 256 * index;
    const value = view.getBigInt64(valuesAt + 8 * (1 + index), true);
    return { name: text(at), doc: text(at + 96), kind: view.getUint32(at + 248, true), value };
  });
  return { head, size: bytes.length, atNs: view.getBigInt64(valuesAt, true), slots };
}

/** A path in a directory that is removed in the end. */
function inDirectory(fn: (path: string, directory: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    fn(`${directory}/board`, directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const valuesOf = (path: string) => look(path).slots.map(({ value }) => value);

Deno.test("a board names its events, and has them in the order of the meters", () => {
  inDirectory((path, directory) => {
    using board = PowerBoard.create(meters, path);
    assert.deepEqual(board.events.map(({ name, kind }) => [name, kind]), [
      ["sde:::nodeos::package0_energy_uj", "counter"],
      ["sde:::nodeos::package0_power_limit_uw", "gauge"],
      ["sde:::nodeos::core3_temperature_mdegc", "gauge"],
      ["sde:::nodeos::package0_power_uw", "gauge"],
    ]);
    const { head, size, slots } = look(path);
    assert.deepEqual(slots.map(({ name, doc, kind }) => [name, doc, kind])[0], [
      "package0_energy_uj",
      "register of package0/energy, in microjoules",
      0,
    ]);
    assert.deepEqual(slots.map(({ name }) => `sde:::nodeos::${name}`), board.events.map(({ name }) => name));
    assert.deepEqual([head.sequence, head.writerPid, head.version], [0n, Deno.pid, 1]);
    assert.equal(size, BoardLayout.size + 4 * 256 + 2 * 5 * 8);
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o444);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["board"]);
  });
});

Deno.test("counters begin at 0, do not wrap, and stand still while they have no value", () => {
  inDirectory((path) => {
    using board = PowerBoard.create(meters, path);
    const seen = [262_000, 262_143.5, 100, null, 300].map((joules, second) => {
      board.publish(snapshotAt(second, [joules, 120.25, 61]));
      return valuesOf(path);
    });
    assert.deepEqual(seen.map(([energy]) => energy), [0n, 143_500_000n, 244_000_000n, 244_000_000n, 444_000_000n]);
    // Power is that since the last value, and none at the first one.
    assert.deepEqual(seen.map(([, , , power]) => power), [none, 143_500_000n, 100_500_000n, none, 100_000_000n]);
    assert.deepEqual(seen[4].slice(1, 3), [120_250_000n, 61_000n]);
    assert.equal(look(path).atNs, 4_000_000_000n);
  });
});

Deno.test("a gauge without a value has none on the board", () => {
  inDirectory((path) => {
    using board = PowerBoard.create(meters, path);
    board.publish(snapshotAt(1, [1, 120, -40.5]));
    assert.deepEqual(valuesOf(path), [0n, 120_000_000n, -40_500n, none]);
    board.publish(snapshotAt(2, [2, null, NaN]));
    assert.deepEqual(valuesOf(path), [1_000_000n, none, none, 1_000_000n]);
  });
});

Deno.test("the values before stay whole while new ones are written", () => {
  inDirectory((path) => {
    using board = PowerBoard.create([meter("a")], path);
    board.publish(snapshotAt(1, [1]));
    board.publish(snapshotAt(2, [2]));
    const { head } = look(path), view = new DataView(Deno.readFileSync(path).buffer);
    assert.deepEqual(head.valuesAt.map((at) => view.getBigInt64(Number(at) + 8, true)), [2_000_000n, 1_000_000n]);
    assert.equal(head.sequence, 2n);
  });
});

Deno.test("a meter of power takes the place of the one from energy", () => {
  inDirectory((path) => {
    using board = PowerBoard.create([energyMeter("package0/energy"), meter("package0/power")], path);
    board.publish(snapshotAt(1, [1, 77]));
    assert.deepEqual(valuesOf(path), [0n, 77_000_000n]);
  });
});

Deno.test("a board ends with its file, and says so to those who have it", () => {
  inDirectory((path, directory) => {
    const board = PowerBoard.create(meters, path);
    using file = Deno.openSync(path);
    board[Symbol.dispose]();
    board[Symbol.dispose]();
    const head = new Uint8Array(BoardLayout.size);
    file.readSync(head);
    assert.equal(BoardLayout.read(head).writerPid, 0);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
  });
});

Deno.test("a board does not remove the file of another one", () => {
  inDirectory((path) => {
    const first = PowerBoard.create(meters, path);
    Deno.removeSync(path);
    using _second = PowerBoard.create(meters, path);
    first[Symbol.dispose]();
    assert.ok(Deno.statSync(path).isFile);
  });
});

Deno.test("directories of a board that are not there are made for everybody to look into", () => {
  inDirectory((_, directory) => {
    const old = Deno.umask(0o077);
    try {
      using _board = PowerBoard.create(meters, `${directory}/state/power/board`);
      for (const path of ["state", "state/power"]) assert.equal(Deno.statSync(`${directory}/${path}`).mode! & 0o777, 0o755, path);
      assert.equal(Deno.statSync(`${directory}/state/power/board`).mode! & 0o777, 0o444);
    } finally {
      Deno.umask(old);
    }
  });
});

Deno.test("there is one writer at a time", () => {
  inDirectory((path) => {
    using first = PowerBoard.create(meters, path);
    first.publish(snapshotAt(1, [1, 2, 3]));
    assert.throws(
      () => PowerBoard.create(meters, path),
      (error) =>
        error instanceof RefusedError && error.message === `Cannot make ${path}: process ${Deno.pid} writes there, and only one may`,
    );
    assert.deepEqual(valuesOf(path), [0n, 2_000_000n, 3_000n, none]);
  });
});

Deno.test("the board of a writer that died is replaced, and whoever has it mapped keeps it", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const startTicks = startTicksOf(kernel, child.pid)!;
  child.kill("SIGKILL");
  await child.status;
  inDirectory((path) => {
    const dead = new Uint8Array(BoardLayout.size);
    BoardLayout.write(dead, { magic: 0x3144524252575050n, version: 1, writerPid: child.pid, writerStartTicks: BigInt(startTicks) });
    Deno.writeFileSync(path, dead);
    using old = Deno.openSync(path);
    using _board = PowerBoard.create(meters, path);
    assert.equal(look(path).head.writerPid, Deno.pid);
    assert.equal(old.statSync().size, BoardLayout.size);
    // The same number, and another process.
    const other = Deno.readFileSync(path);
    BoardLayout.write(other, { writerStartTicks: 1n });
    Deno.removeSync(path);
    Deno.writeFileSync(path, other);
    using _next = PowerBoard.create(meters, path);
  });
});

Deno.test("what is no board is not replaced", () => {
  inDirectory((path, directory) => {
    const refuses = (what: RegExp) =>
      assert.throws(() => PowerBoard.create(meters, path), (error) => error instanceof RefusedError && what.test(error.message));
    Deno.writeTextFileSync(path, "something of the user's ".repeat(10));
    refuses(/a file of that name is there, and is not a board of power$/);
    assert.match(Deno.readTextFileSync(path), /^something/);
    Deno.removeSync(path);
    Deno.symlinkSync(`${directory}/target`, path);
    refuses(/is not a board of power$/);
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    refuses(/is not a board of power$/);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["board"]);
  });
});

Deno.test("a board that cannot be shown is refused, and leaves nothing", () => {
  inDirectory((path, directory) => {
    assert.throws(() => PowerBoard.create([], path), UsageError);
    assert.throws(() => PowerBoard.create([meter("a/b"), meter("a/b")], path), /two meters to PAPI as sde:::nodeos::a_b_uw/);
    assert.throws(() => PowerBoard.create([meter("a/b"), meter("a-b")], path), UsageError);
    assert.throws(() => PowerBoard.create([meter("a b")], path), UsageError);
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    Deno.writeTextFileSync(path, "a file");
    assert.throws(
      () => PowerBoard.create(meters, `${path}/board`),
      (error) => error instanceof RefusedError && error.message.startsWith(`Cannot make ${path}/board: `),
    );
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["board"]);
  });
});
