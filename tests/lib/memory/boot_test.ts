import assert from "node:assert/strict";
import { planBoot } from "../../../lib/kernel/boot_arguments.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { memoryRows } from "../../../lib/memory/boot.ts";
import type { UnitRequest } from "../../../lib/memory/unit.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { fakeNodes, fourNodes, GiB, oneNode } from "./machines.ts";

/** Arguments for memory, with how they stand. */
function planned(files: CapturedFiles, commandLine: string, ...requests: UnitRequest[]): string[] {
  using machine = captured({ ...files, "/proc/cmdline": `${commandLine}\n` });
  const plan = planBoot(new Inventory(machine), [2, 3], [0, 1], memoryRows(requests));
  return plan.arguments.filter(({ argument }) => /numa|huge/.test(argument)).map(({ argument, status, now }) =>
    `${argument}: ${status}, ${now}`
  );
}

Deno.test("memoryRows() splits the one node of a machine into nodes of the smallest unit", () => {
  const units = [{ backend: "node", bytes: 4 * GiB }, { backend: "node", bytes: 2 * GiB }] as const;
  assert.deepEqual(planned(oneNode, "quiet", ...units), ["numa=fake=2048M: inactive, not active"]);
  assert.deepEqual(planned(oneNode, "quiet", { node: 0 }), ["numa=fake=8: inactive, not active"]);
  assert.deepEqual(planned(fakeNodes, "numa=fake=2048M", ...units), ["numa=fake=2048M: active, active"]);
  assert.deepEqual(planned(fakeNodes, "numa=fake=4", ...units), ["numa=fake=2048M: differs, split by numa=fake=4"]);
  assert.deepEqual(planned(oneNode, "numa=fake=2048M", ...units), ["numa=fake=2048M: unsupported, this kernel lacks CONFIG_NUMA_EMU"]);
  assert.deepEqual(planned(oneNode, "numa=off", ...units), ["numa=fake=2048M: differs, numa=off"]);
});

Deno.test("memoryRows() reserves pages of 1 GiB on their nodes, and nothing for others", () => {
  const units = [{ bytes: 2 * GiB, node: 1, pageBytes: GiB }, { bytes: 3 * GiB, node: 0, pageBytes: GiB }];
  assert.deepEqual(planned(fourNodes, "quiet", ...units), ["hugepagesz=1G hugepages=0:3,1:2: inactive, not active; there are none"]);
  const pool = (node: number) => `/sys/devices/system/node/node${node}/hugepages/hugepages-1048576kB/nr_hugepages`;
  assert.deepEqual(planned({ ...fourNodes, [pool(0)]: "3\n", [pool(1)]: "2\n" }, "hugepages=1", ...units), [
    "hugepagesz=1G hugepages=0:3,1:2: active, there are 3 on node 0, 2 on node 1",
  ]);
  assert.match(planned({ ...fourNodes, [pool(0)]: "3\n" }, "quiet", ...units)[0], /differs, there are 3 on node 0$/);
  assert.deepEqual(planned(fourNodes, "quiet", { bytes: 2 ** 21 }), []);
});
