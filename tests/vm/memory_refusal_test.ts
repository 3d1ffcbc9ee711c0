import assert from "node:assert/strict";
import { Node } from "../../lib/container/node.ts";
import { decideMemoryChange, type MemoryChange } from "../../lib/container/grant.ts";
import { parseBytes } from "../../lib/container/quantity.ts";
import { parseUnit } from "../../lib/container/unit_text.ts";
import { NodeosError } from "../../lib/errors.ts";
import { objectPath } from "../../lib/memory/objects.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { cgroups, guestTest, kernel, nodeos, read, stateDirectory } from "./guest.ts";
import { memoryProbe, objectMounts, pools, readFree } from "./memory_inspector.ts";
import { mib, Programs } from "./memory_programs.ts";

const units = [{ bytes: 16 * mib, node: 1 }, { bytes: 2 * mib, node: 2, pageBytes: 4096, object: "halo" }];
const containers = [
  { name: "sim", cpus: [2, 3], memory: { units, programs: "none" as const } },
  { name: "viz", cpus: [4, 5], memory: { units: [{ bytes: 4 * mib, node: 0 }] } },
];

/** What a refusal may not change. */
function facts(node: Node): unknown {
  const { spec } = node.find("sim");
  const limits = ["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "cpuset.mems", "memory.max"].map((file) =>
    read(`${cgroups}/nodeos-sim/${file}`)
  );
  const files = (spec as ContainerSpec).memory!.units.filter(({ object }) => object !== undefined).map((unit) => {
    const { size, blocks, uid } = Deno.statSync(objectPath("sim", unit));
    return [size, blocks, uid];
  });
  return { spec, limits, files, pools: pools("nr_hugepages"), mounts: objectMounts() };
}

/** What `nodeos memory` would change. */
function changeOf([verb, , first, second]: readonly string[]): MemoryChange {
  if (verb === "grant") return { kind: "grant", unit: parseUnit(first) };
  return verb === "revoke" ? { kind: "revoke", id: first } : { kind: "resize", id: first, bytes: parseBytes(second) };
}

/** Asserts that a change is refused with an exit status, says so, and changes nothing. */
async function refused(node: Node, line: string, code: number, ...messages: readonly RegExp[]): Promise<void> {
  const before = facts(node);
  const words = line.split(" ");
  await assert.rejects(node.change((inventory, ledger) => [decideMemoryChange(inventory, ledger, words[1], changeOf(words))]), (error) => {
    assert.ok(error instanceof NodeosError, `${error}`);
    assert.equal(error.exitCode, code, error.message);
    for (const message of messages) assert.match(`${error.message}\n${error.remedy}`, message);
    return true;
  });
  assert.deepEqual(facts(node), before, line);
}

guestTest("memory: bad input is refused, says what is free and where, and nothing is half-granted", async () => {
  const free = readFree();
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers }, "persistent");
  const table = /Free: node 0 \d+MiB, node 1 \d+MiB, node 2 \d+MiB, node 3 \d+MiB/;
  const { code, err } = await nodeos("memory", "grant", "sim", "64GiB@1");
  assert.equal(code, 1);
  assert.match(err, table);
  await refused(node, "grant sim 64GiB@1", 1, /node 1 has no 64GiB in huge pages of 2MiB/, table);
  await refused(node, "grant sim big=64GiB@3/4KiB", 1, /node 3 has no 64GiB/, table);
  await refused(node, "resize sim halo 64GiB", 1, /node 2 has no 64GiB/, table);
  await refused(node, "grant sim 1GiB@9", 2, /NUMA node 9 does not exist/, /0, 1, 2, 3/);
  await refused(node, "grant sim 3MiB@1/2MiB", 2, /3MiB is no multiple of its pages of 2MiB/, /2MiB or 4MiB/);
  await refused(node, "grant sim odd=5000@1", 2, /no multiple/);
  await refused(node, "grant sim halo=2MiB@1", 2, /Cannot grant object "halo" twice/);
  await refused(node, "grant sim whole@0", 1, /node 0 is in use by viz/);
  await refused(node, "revoke sim nothing", 4, /Cannot find unit "nothing" of container sim/, /It has node1, halo/);
  await refused(node, "grant nobody 2MiB@1", 4, /Cannot find container "nobody"/);
  await node.down([], 0);
  assert.deepEqual(readFree(), free);
});

guestTest("memory: a unit that is in use is neither taken nor made smaller than what is used of it", async () => {
  await using programs = await Programs.up({ containers });
  const hold = await programs.hold("sim", "1:6");
  const script = "import mmap, time; f = open('/run/nodeos/memory/sim/4KiB-node2/halo', 'r+b'); m = mmap.mmap(f.fileno(), 1 << 20)\n" +
    "open('/tmp/status-maps-sim', 'w').write('mapped'); time.sleep(1000)";
  await programs.start("sim", "maps-sim", ["/usr/bin/python3", "-c", script]);
  while (!/ huge [1-9]/.test(await programs.status("hold-sim", hold.pid)));
  // What it holds may not become less while we ask.
  Deno.kill(hold.pid, "SIGSTOP");
  await refused(programs.node, "revoke sim node1", 1, /its programs use \d+MiB of the huge pages of node 1|were promised/);
  await refused(programs.node, "revoke sim halo", 1, /object halo is mapped by python3/);
  await refused(programs.node, "resize sim halo 512KiB", 1, /object halo is mapped beyond 512KiB by python3/);
  await programs.node.change((
    inventory,
    ledger,
  ) => [decideMemoryChange(inventory, ledger, "sim", changeOf(["resize", "sim", "halo", "1MiB"]))]);
  Deno.kill(hold.pid, "SIGCONT");
});

guestTest("memory: where memory is in pieces the pool is not half-grown: refused, and the pages are given back", async () => {
  const movable = "/proc/sys/vm/compact_unevictable_allowed";
  const former = read(movable);
  const free = readFree();
  const node = new Node(kernel, stateDirectory);
  await node.up({ containers }, "persistent");
  kernel.write(movable, "0");
  // One locked page in each half MiB: nearly all is free, and no block is whole.
  const bytes = Number(/MemFree:\s+(\d+) kB/.exec(read("/sys/devices/system/node/node3/meminfo"))![1]) * 1024 - 64 * mib;
  const pieces = new Deno.Command(memoryProbe, { args: ["pieces", "3", `${Math.floor(bytes / mib)}`], stdout: "piped" }).spawn();
  const reader = pieces.stdout.getReader();
  await reader.read();
  try {
    await refused(node, "grant sim 256MiB@3", 1, /node 3 has room for \d+ of 128/, /in use or in pieces/);
    await refused(node, "grant sim field=256MiB@3", 1, /node 3 has room for \d+ of 128/);
  } finally {
    pieces.kill("SIGKILL");
    await reader.cancel();
    await pieces.status;
    kernel.write(movable, former);
  }
  await node.down([], 0);
  assert.deepEqual(readFree(), free);
});
