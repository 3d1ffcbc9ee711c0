import assert from "node:assert/strict";
import { decideMemoryChange } from "../../lib/container/grant.ts";
import { Node } from "../../lib/container/node.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { parseUnit } from "../../lib/container/unit_text.ts";
import { parseBytes } from "../../lib/container/quantity.ts";
import { Inventory } from "../../lib/kernel/inventory.ts";
import { objectPath } from "../../lib/memory/objects.ts";
import type { Unit } from "../../lib/memory/unit.ts";
import { delay, guestTest, isGuest, kernel, nodeosCommand, stateDirectory } from "./guest.ts";
import { Inspector, memoryProbe, pools, readFree } from "./memory_inspector.ts";

const ledgerPath = `${stateDirectory}/ledger.json`;
/** Each command is started for each kill, which takes seconds in emulation. */
const repeats = isGuest && Number(Deno.env.get("NODEOS_MEMORY_ROUNDS") ?? 0) >= 1000 ? 8 : 1;

function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Starts a command, and kills it some time after its first trace, or after `until` is true. Returns after how many milliseconds. */
async function killSomeTime(latestMs: number, args: readonly string[], until?: () => boolean): Promise<string> {
  const old = textOf(ledgerPath);
  const child = nodeosCommand(args, "null").spawn();
  const isReady = until ?? (() => textOf(ledgerPath) !== old);
  for (const from = performance.now(); !isReady(); await delay(1)) {
    assert.ok(performance.now() - from < 60_000, `nodeos ${args.join(" ")} never came so far`);
  }
  const ms = Math.random() * latestMs;
  await delay(ms);
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It was faster.
    if (!(error instanceof TypeError)) throw error;
  }
  await child.status;
  return ms.toFixed(0);
}

guestTest("memory: kill -9 of nodeos run at any moment: the next command gives its units back exactly", async () => {
  const free = readFree();
  const node = new Node(kernel, stateDirectory);
  const run = ["run", "--cpus", "4-5", "--unit", "16MiB@1", "--unit", "halo=2MiB@2/4KiB", "--unit", "field=4MiB@0", "--"];
  for (let moment = 0; moment < repeats; moment++) {
    const ms = await killSomeTime(1500, [...run, "sleep", "100"]);
    const { left } = await node.recover();
    assert.deepEqual(left, []);
    assert.deepEqual(readFree(), free, `killed after ${ms} ms`);
  }
  // And when its program holds some of it.
  const status = "/tmp/status-killed";
  Deno.writeTextFileSync(`${status}.max`, "1:6");
  const isHeld = () => / huge [1-9]/.test(textOf(status) ?? "");
  await killSomeTime(100, [...run, memoryProbe, "hold", status], isHeld);
  assert.notDeepEqual(readFree(), free, "before somebody has looked, they are there");
  const { left } = await node.recover();
  assert.deepEqual(left, []);
  assert.deepEqual(readFree(), free);
  for (const path of [status, `${status}.max`]) Deno.removeSync(path);
}, { killsWriters: true });

/** Commands that change one container, in turn; every other one where it shall not take long. */
const changes = ([
  ["grant", "sim", "extra=6MiB@2"],
  ["resize", "sim", "halo", "6MiB"],
  ["resize", "sim", "field", "4MiB"],
  ["grant", "sim", "8MiB@3"],
  ["resize", "sim", "halo", "1028KiB"],
  ["resize", "sim", "field", "12MiB"],
  ["resize", "sim", "node1", "4MiB"],
  ["revoke", "sim", "field"],
  ["revoke", "sim", "node1"],
] as const).filter((_, index) => repeats > 1 || index % 2 === 0);

guestTest("memory: kill -9 of nodeos memory at any moment: the units of before or of after, and contents are kept", async () => {
  const free = readFree();
  const node = new Node(kernel, stateDirectory);
  await using inspector = new Inspector();
  const outcomes = { before: 0, after: 0 };
  for (let repeat = 0; repeat < repeats; repeat++) {
    await node.up({
      containers: [{
        name: "sim",
        cpus: [4, 5],
        memory: { units: ["16MiB@1", "halo=3MiB@0/4KiB", "field=8MiB@1"].map(parseUnit) },
      }],
    }, "persistent");
    const stamped = new Map<string, { seed: number; pages: number }>();
    const unitsOf = () => (node.find("sim").spec as ContainerSpec).memory?.units ?? [];
    const follow = async (why: string) => {
      for (const unit of unitsOf().filter(({ object }) => object !== undefined)) {
        const path = objectPath("sim", unit);
        const pages = unit.bytes / 4096;
        const known = stamped.get(path) ?? { seed: stamped.size + 1, pages: 0 };
        const kept = Math.min(pages, known.pages);
        const frames = await inspector.frames(path);
        assert.equal(frames.reduce((sum, { count }) => sum + count, 0), pages, `${path} ${why}`);
        await inspector.check(path, known.seed, kept, why);
        await inspector.stamp(path, known.seed, kept, pages);
        stamped.set(path, { ...known, pages });
      }
    };
    await follow("when it is new");
    for (const words of changes) {
      const before = unitsOf();
      const after = decided(node, words);
      const ms = await killSomeTime(1200, ["memory", ...words]);
      await node.recover();
      const now = JSON.stringify(unitsOf());
      const which = now === JSON.stringify(after) ? "after" : "before";
      outcomes[which]++;
      const why = `nodeos memory ${words.join(" ")}, killed after ${ms} ms`;
      console.log(`${why}: units of ${which}`);
      assert.equal(now, JSON.stringify(which === "after" ? after : before), why);
      assert.deepEqual([...node.verify().flatMap(({ drift }) => drift), ...node.verifyNode()], [], why);
      assert.deepEqual(hugePagesOf(unitsOf()), Object.values(pools("nr_hugepages")), why);
      await follow(why);
    }
    const { left } = await node.down([], 0);
    assert.deepEqual(left, []);
    assert.deepEqual(readFree(), free);
  }
  console.log(JSON.stringify(outcomes));
}, { killsWriters: true });

/** What a command would make of it. */
function decided(node: Node, [verb, name, first, second]: readonly string[]): readonly Unit[] {
  const change = verb === "grant"
    ? { kind: "grant" as const, unit: parseUnit(first) }
    : verb === "revoke"
    ? { kind: "revoke" as const, id: first }
    : { kind: "resize" as const, id: first, bytes: parseBytes(second) };
  return decideMemoryChange(new Inventory(kernel), node.ledger(), name, change).memory?.units ?? [];
}

/** Pages in the pools as units have them, in the order of `pools`. */
function hugePagesOf(units: readonly Unit[]): number[] {
  return Object.keys(pools("nr_hugepages")).map((key) => {
    const [, node, kib] = /^node(\d+) hugepages-(\d+)kB$/.exec(key)!;
    const pageBytes = Number(kib) * 1024;
    return units.filter((unit) => unit.backend === "hugetlb" && unit.node === Number(node) && unit.pageBytes === pageBytes)
      .reduce((sum, { bytes }) => sum + bytes / pageBytes, 0);
  });
}
