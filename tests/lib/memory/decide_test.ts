import assert from "node:assert/strict";
import fc from "fast-check";
import { decideUnits } from "../../../lib/memory/decide.ts";
import type { Owned, Room } from "../../../lib/memory/room.ts";
import { bytesOf, describeUnit, type UnitRequest } from "../../../lib/memory/unit.ts";
import { fakeNodes, fourNodes, GiB, MiB, oneNode, roomOf } from "./machines.ts";

/** Units as people read them. */
function decided(room: Room, ...requests: UnitRequest[]): string[] {
  const { units, problems } = decideUnits(room, "sim", requests);
  assert.deepEqual(problems, []);
  return units.map((unit) => `${unit.id}: ${describeUnit(unit)}`);
}

/** What is wrong with one unit. */
function refused(room: Room, request: UnitRequest): string {
  const { units, problems: [problem] } = decideUnits(room, "sim", [request]);
  assert.deepEqual(units, []);
  return `${problem.kind} ${problem.key}: ${problem.message} | ${problem.remedy}`;
}

Deno.test("decideUnits() takes the strongest way of owning that fits", () => {
  const room = roomOf(fourNodes);
  assert.deepEqual(decided(room, { bytes: 64 * MiB, node: 1 }), ["node1: 64MiB of node 1 in huge pages of 2MiB"]);
  assert.deepEqual(decided(room, { bytes: 64 * MiB, node: 1, object: "halo" }), [
    "halo: 64MiB of node 1 in huge pages of 2MiB, object halo",
  ]);
  assert.deepEqual(decided(room, { bytes: 12288, node: 0, object: "tiny" }), ["tiny: 12KiB of node 0 in pages of 4KiB, object tiny"]);
  assert.deepEqual(decided(room, { bytes: 4 * MiB, node: 0, pageBytes: 4096, object: "fine" }), [
    "fine: 4MiB of node 0 in pages of 4KiB, object fine",
  ]);
  assert.deepEqual(decided(room, { node: 2 }), ["node2: the whole of node 2, 1GiB"]);
  assert.deepEqual(decided(room, { bytes: 12288 }), ["limit: at most 12KiB from anywhere, no pages of its own"]);
});

Deno.test("decideUnits() takes a device that nobody has where one has the very size", () => {
  const supply = { ...roomOf(fourNodes).supply };
  assert.deepEqual(supply.daxDevices, []);
  const device = { name: "dax0.0", bytes: 64 * MiB, alignBytes: 2 * MiB, node: 1, driver: "device_dax" };
  const room = () =>
    Object.assign(roomOf(fourNodes), {
      supply: { ...supply, daxDevices: [device, { ...device, name: "dax1.0", node: 3, driver: "kmem" }] },
    });
  assert.deepEqual(decided(room(), { bytes: 64 * MiB, object: "halo" }), ["halo: 64MiB of node 1 on device dax0.0, object halo"]);
  assert.deepEqual(decided(room(), { object: "halo", backend: "devdax", node: 1 }), [
    "halo: 64MiB of node 1 on device dax0.0, object halo",
  ]);
  // Not where the kernel has one in use as memory.
  assert.deepEqual(decided(room(), { object: "halo", backend: "devdax" }), ["halo: 64MiB of node 1 on device dax0.0, object halo"]);
  const both = room();
  assert.match(decided(both, { bytes: 64 * MiB, object: "a" })[0], /dax0\.0/);
  // The next one of that size finds it taken, and gets huge pages.
  assert.match(
    refused(both, { bytes: 64 * MiB, node: 1, object: "b", backend: "devdax" }),
    /^refused size: node 1 has no free device of 64MiB \| Free: none$/,
  );
});

Deno.test("decideUnits() chooses the node with the most room, the last of several alike", () => {
  const room = roomOf(fourNodes);
  const { units } = decideUnits(room, "sim", [300, 300, 300].map((mib) => ({ bytes: mib * MiB })));
  // Pages that node 3 has already, and nobody uses, count.
  assert.deepEqual(units.map(({ node }) => node), [3, 2, 1]);
});

Deno.test("decideUnits() makes one unit of memory that is alike, and none of objects", () => {
  const room = roomOf(fourNodes);
  assert.deepEqual(decided(room, { bytes: 64 * MiB, node: 1 }, { bytes: 32 * MiB, node: 1 }), [
    "node1: 96MiB of node 1 in huge pages of 2MiB",
  ]);
  const twice = decideUnits(roomOf(fourNodes), "sim", [{ bytes: 4096, object: "a" }, { bytes: 4096, object: "a" }]);
  assert.deepEqual(twice.problems.map(({ index, message }) => `${index}: ${message}`), ["1: two objects are called a"]);
});

Deno.test("decideUnits() takes no node twice, and no name for two things", () => {
  const problemsOf = (...requests: UnitRequest[]) =>
    decideUnits(roomOf(fourNodes), "sim", requests).problems.map(({ index, key, message }) => `${index} ${key}: ${message}`);
  assert.deepEqual(problemsOf({ node: 2 }, { node: 2 }), ["1 node: node 2 is the container's own already, all of it"]);
  const fake = decideUnits(roomOf(fakeNodes), "sim", [{ backend: "node", node: 3, bytes: GiB }, {
    backend: "node",
    node: 1,
    bytes: 2 * GiB,
  }]);
  assert.deepEqual(fake.units.map(({ nodes }) => nodes), [[3], [1, 2]]);
  assert.deepEqual(problemsOf({ bytes: 2 * MiB, node: 1 }, { node: 1 }), [
    "1 backend: node1 is the name of another unit: 2MiB of node 1 in huge pages of 2MiB",
  ]);
  assert.deepEqual(problemsOf({ bytes: 2 * MiB, node: 1 }, { bytes: 4096, object: "node1" }), [
    "1 object: node1 is the name of another unit: 2MiB of node 1 in huge pages of 2MiB",
  ]);
});

Deno.test("decideUnits() gathers fake nodes of the same hardware until the size is reached", () => {
  assert.deepEqual(decided(roomOf(fakeNodes), { backend: "node", node: 2, bytes: 2 * GiB }), ["node2: the whole of nodes 2, 3, 2GiB"]);
  assert.match(refused(roomOf(fourNodes), { backend: "node", node: 2, bytes: 2 * GiB }), /^refused size: node 2 has 1GiB \|/);
});

Deno.test("decideUnits() refuses what is no size, no node, no page size, no name", () => {
  const room = roomOf(fourNodes);
  assert.match(
    refused(room, { bytes: 3 * MiB, pageBytes: 2 * MiB }),
    /^usage size: 3MiB is no multiple of its pages of 2MiB \| Write 2MiB or 4MiB$/,
  );
  assert.match(
    refused(room, { bytes: 5000, object: "a" }),
    /^usage size: 5000B is no multiple of its pages of 4KiB \| Write 4KiB or 8KiB$/,
  );
  assert.match(
    refused(room, { bytes: 4 * MiB, node: 7 }),
    /^usage node: NUMA node 7 does not exist, or has no memory \| This machine has memory on 0, 1, 2, 3$/,
  );
  assert.match(refused(room, { bytes: 4 * MiB, pageBytes: 16384 }), /^usage page: there are no huge pages of 16KiB \| .*2MiB, 1GiB$/);
  assert.match(refused(room, { bytes: 4096, object: "../passwd" }), /^usage object: "..\/passwd" cannot be the name of an object/);
  assert.match(refused(room, { bytes: -4096, object: "a" }), /^usage size: -4096 bytes are no size/);
  assert.match(refused(room, { object: "a" }), /^usage size: there is no size/);
  assert.match(
    refused(room, { bytes: 4096, backend: "tmpfs" }),
    /^usage backend: tmpfs makes objects only \| Give it a name: object: halo$/,
  );
  assert.match(refused(room, { node: 1, backend: "node", object: "a" }), /^usage backend: node makes memory of programs only/);
});

Deno.test("decideUnits() says what is free and where when there is no room", () => {
  const room = roomOf(fourNodes);
  decided(room, { bytes: 600 * MiB, node: 1 });
  // Node 3 has ten pages that nobody uses besides its 608 MiB.
  assert.equal(
    refused(room, { bytes: 10 * MiB, node: 1 }),
    "refused size: node 1 has no 10MiB in huge pages of 2MiB | Free: node 0 608MiB, node 1 8MiB, node 2 608MiB, node 3 628MiB",
  );
  assert.match(
    refused(room, { bytes: 16 * MiB, node: 1, pageBytes: 4096, object: "a" }),
    /^refused size: node 1 has no 16MiB \| Free: node 0 608MiB, node 1 8MiB/,
  );
});

Deno.test("decideUnits() gives no whole node that somebody uses, and leaves one to the ServiceOS", () => {
  const viz = {
    owner: "viz",
    unit: { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 2 * MiB, pageBytes: 2 * MiB },
  } as const satisfies Owned;
  const room = roomOf(fourNodes, [viz], [{ name: "all", nodes: [0, 1, 2] }]);
  assert.match(
    refused(room, { node: 1 }),
    /^refused node: node 1 is in use by viz, all \| .*nodeos resize viz --nodes LIST; free as a whole: 3$/,
  );
  assert.deepEqual(decided(room, { node: 3 }), ["node3: the whole of node 3, 1GiB"]);
  assert.match(refused(roomOf(oneNode), { backend: "node", node: 0 }), /^refused backend: the machine has one NUMA node/);
  const [, , , last] = [0, 1, 2, 3].map((node) => ({ node }));
  const { problems } = decideUnits(roomOf(fourNodes), "sim", [{ node: 0 }, { node: 1 }, { node: 2 }, last]);
  assert.deepEqual(problems.map(({ message }) => message), ["no NUMA node would be left for the ServiceOS"]);
});

Deno.test("decideUnits() gives nobody anything of a node that another one owns as a whole", () => {
  const owned: Owned = { owner: "viz", unit: { id: "node1", backend: "node", node: 1, nodes: [1], bytes: GiB, pageBytes: 4096 } };
  assert.match(
    refused(roomOf(fourNodes, [owned]), { bytes: 2 * MiB, node: 1 }),
    /^refused node: node 1 belongs to viz as a whole \| Shared by all: 0, 2, 3$/,
  );
});

Deno.test("decideUnits() counts what a container has already as room for it", () => {
  const has = { id: "a", backend: "tmpfs", node: 0, nodes: [0], bytes: 400 * MiB, pageBytes: 4096, object: "a" } as const;
  const larger = { bytes: 900 * MiB, node: 0, object: "a", backend: "tmpfs" } as const;
  assert.match(refused(roomOf(fourNodes), larger), /node 0 has no 900MiB/);
  assert.deepEqual(decided(roomOf(fourNodes, [], [], [has]), larger), ["a: 900MiB of node 0 in pages of 4KiB, object a"]);
});

Deno.test("decideUnits() gives away no more than there is, whatever is asked for in whatever order", () => {
  const request = fc.record({
    bytes: fc.integer({ min: 1, max: 400 }).map((mib) => mib * MiB),
    node: fc.option(fc.nat(3), { nil: undefined }),
    backend: fc.constantFrom("hugetlb" as const, "tmpfs" as const, undefined),
    object: fc.option(fc.stringMatching(/^[a-z]{8}$/), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 12 }), (requests) => {
      const { units, problems } = decideUnits(roomOf(fourNodes), "sim", requests);
      for (const node of [0, 1, 2, 3]) {
        const own = units.filter((unit) => unit.node === node && unit.backend !== "limit");
        const spareBytes = node === 3 ? 20 * MiB : 0;
        assert.ok(bytesOf(own) <= 608 * MiB + spareBytes, `node ${node} gives ${bytesOf(own)}`);
        assert.ok(own.every(({ bytes, pageBytes }) => bytes % pageBytes === 0));
      }
      assert.ok(problems.every(({ message, remedy }) => message !== "" && remedy !== undefined));
    }),
    { numRuns: 60 },
  );
});
