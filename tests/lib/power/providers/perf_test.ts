import assert from "node:assert/strict";
import { errno, SysError } from "../../../../ffi/errors.ts";
import { readTopology } from "../../../../lib/kernel/topology.ts";
import { type CountersOpener, PerfProvider } from "../../../../lib/power/providers/perf.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { amd, bare, intel, PowerMachine, type PowerMachineParts } from "../machines.ts";

const root = "/sys/bus/event_source/devices";
const scale = "2.3283064365386962890625e-10\n";

function events(source: string, cpumask: string, names: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries([
    [`${root}/${source}/type`, "21\n"],
    [`${root}/${source}/cpumask`, cpumask],
    ...Object.entries(names).flatMap(([name, config]) => [
      [`${root}/${source}/events/${name}`, `event=0x0${config}\n`],
      [`${root}/${source}/events/${name}.scale`, scale],
      [`${root}/${source}/events/${name}.unit`, "Joules\n"],
    ]),
  ]);
}

const twoPackages: PowerMachineParts = {
  files: { ...intel.files, ...events("power", "0,2\n", { "energy-cores": 1, "energy-pkg": 2, "energy-ram": 3, "energy-psys": 5 }) },
};

/** Counts what is opened and read. */
function counting(): { open: CountersOpener; readCount: number; openCount: number; isGone: boolean } {
  const counts = {
    readCount: 0,
    openCount: 0,
    isGone: false,
    open: ((asked, cpu) => {
      counts.openCount++;
      return {
        read() {
          counts.readCount++;
          if (counts.isGone) throw new SysError("read counters", errno.ENODEV);
          return { atNs: 0n, tookNs: 0, enabledNs: 1n, runningNs: 1n, values: asked.map(({ config }) => (config + BigInt(cpu)) << 32n) };
        },
        [Symbol.dispose]: () => void counts.openCount--,
      };
    }) as CountersOpener,
  };
  return counts;
}

Deno.test("PerfProvider reads the counters of a package as one group, in joules", () => {
  using machine = new PowerMachine(twoPackages);
  const counts = counting();
  const registry = new Registry([new PerfProvider(machine, readTopology(machine), counts.open)], () => 0n);
  assert.deepEqual(registry.meters.map(({ name }) => name), [
    "dram0/energy",
    "dram1/energy",
    "package0/cores-energy",
    "package0/energy",
    "package1/cores-energy",
    "package1/energy",
    "psys0/energy",
    "psys1/energy",
  ]);
  assert.equal(counts.openCount, 2);
  assert.deepEqual(registry.snapshot(["package0/energy", "dram0/energy", "package1/energy"]).values, [2, 3, 4]);
  assert.equal(counts.readCount, 2);
  registry[Symbol.dispose]();
  registry[Symbol.dispose]();
  assert.equal(counts.openCount, 0);
});

Deno.test("PerfProvider reads the counter of each core of an AMD processor", () => {
  using machine = new PowerMachine({ files: { ...amd.files, ...events("power_core", "0-1\n", { "energy-core": 1 }) } });
  using provider = new PerfProvider(machine, readTopology(machine), counting().open);
  assert.deepEqual(provider.meters.map(({ name, domain }) => [name, domain.kind]), [["core0/energy", "core"], ["core1/energy", "core"]]);
});

Deno.test("PerfProvider says what would be needed when the kernel forbids counting", () => {
  using machine = new PowerMachine(twoPackages);
  const forbidden: CountersOpener = () => {
    throw new SysError("count", errno.EACCES);
  };
  using provider = new PerfProvider(machine, readTopology(machine), forbidden);
  assert.deepEqual(provider.meters, []);
  assert.match(provider.lacks.find(({ what }) => what === "package1/energy")?.why ?? "", /CAP_PERFMON.*perf_event_paranoid/);
});

Deno.test("PerfProvider has no values when the counters are gone, and opens none on a captured machine", () => {
  using machine = new PowerMachine(twoPackages);
  const counts = counting();
  using registry = new Registry([new PerfProvider(machine, readTopology(machine), counts.open)], () => 0n);
  counts.isGone = true;
  const { values, missing } = registry.snapshot(["package0/energy", "dram0/energy"]);
  assert.deepEqual([values, missing.length], [[null, null], 2]);
  using captured = new PerfProvider(machine, readTopology(machine));
  assert.deepEqual(captured.meters, []);
  using empty = new PowerMachine(bare);
  using none = new PerfProvider(empty, readTopology(empty), counts.open);
  assert.deepEqual([none.meters, none.lacks], [[], []]);
});

Deno.test("PerfProvider leaves out events that it does not understand", () => {
  const path = `${root}/power/events/energy-pkg`;
  const changes: Record<string, string>[] = [{ [path]: "event=0x2,umask=0x1\n" }, { [`${path}.scale`]: "often\n" }, {
    [`${path}.unit`]: "Calories\n",
  }];
  for (const change of changes) {
    using machine = new PowerMachine({ files: { ...intel.files, ...events("power", "0\n", { "energy-pkg": 2 }), ...change } });
    using provider = new PerfProvider(machine, readTopology(machine), counting().open);
    assert.deepEqual(provider.meters, []);
  }
});
