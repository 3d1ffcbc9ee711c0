/**
 * Asks the machine that it sees for 1,000 wrong things while right ones are set, and says how each sort was refused, as JSON:
 * `wrong_requests.ts DIRECTORY`. Runs on a simulated device that stands still, with the limits of its second
 * package and of the memory of the first one locked.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { MsrDevices } from "../../ffi/msr.ts";
import { PowerSession } from "../../lib/power/access/session.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { Registry } from "../../lib/power/registry.ts";
import { alice, policy, root } from "../lib/power/access/site.ts";
import { refusalOf, type WrongRequest, wrongRequests } from "../lib/power/access/wrong_requests.ts";

const [directory] = Deno.args;
const kernel = new KernelRoot();
using registry = Registry.open(kernel);
const packageCpus = 16;
const places = [0, 1, packageCpus].flatMap((cpu) => Object.values(registers).map((address) => ({ cpu, address })));
const files = registry.all.filter(({ isWritable, provider, name }) => isWritable && provider !== "msr" && !/^cpu[^057]\d*\//.test(name))
  .map(({ provenance }) => provenance);

/** Every register, of some CPUs, and every file that can be set. */
function state(): string {
  using devices = new MsrDevices("/");
  const { values, errors } = devices.read(places);
  return JSON.stringify([[...values].map(String), [...errors], files.map((path) => kernel.read(path))]);
}

/** The simulation shows in the files of a zone what was written to a register only when it has got it. */
async function until(isIt: () => boolean): Promise<void> {
  for (let tries = 0; !isIt() && tries < 1000; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Something else lies over a part of the machine, as if it were gone. */
async function without(part: string, act: () => void): Promise<void> {
  const mount = async (...args: string[]) => assert((await new Deno.Command(args[0], { args: args.slice(1) }).output()).success);
  await mount("mount", "-t", "tmpfs", "none", part);
  try {
    act();
  } finally {
    await mount("umount", part);
  }
}

const before = state();
const options = { kernel, registry, directory, policy };
const session = await PowerSession.open({ ...options, person: root });
const other = PowerSession.forReading({ ...options, person: alice });
const refusals: Record<string, Record<string, number>> = {};
const count = (sort: string, error: string) => {
  refusals[sort] ??= {};
  refusals[sort][error] = (refusals[sort][error] ?? 0) + 1;
};
session.set("package0/power-limit", 123);
session.set("cpu1/duty-cycle", 50);
session.set("cpu5/frequency-max", 2e9);
await until(() => kernel.read("/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw") === "123000000\n");
const during = state();
assert.notEqual(during, before);

/** A request that would be right if its device were there, or were not locked. */
interface Hindered {
  readonly sort: "gone" | "locked";
  readonly name: string;
  readonly value: number;
}
const parts: Record<string, string> = {
  "msr:package0/power-limit": "/dev/cpu/0",
  "powercap:package0/power-limit": "/sys/class/powercap/intel-rapl:0",
  "cpufreq:cpu5/frequency-max": "/sys/devices/system/cpu/cpufreq/policy5",
};
const lockedNames = ["msr:dram0/power-limit", "powercap:dram0/power-limit", "powercap:package1/power-limit"];

function hindered(sort: Hindered["sort"], names: readonly string[]): fc.Arbitrary<Hindered> {
  return fc.constantFrom(...names).chain((name) => {
    const { min, max } = registry.find(name).range;
    return fc.record({ sort: fc.constant(sort), name: fc.constant(name), value: fc.double({ min, max, noNaN: true }) });
  });
}

const requests = fc.oneof<fc.MaybeWeightedArbitrary<WrongRequest | Hindered>[]>(
  { weight: 14, arbitrary: wrongRequests(registry) },
  { weight: 1, arbitrary: hindered("gone", Object.keys(parts)) },
  { weight: 2, arbitrary: hindered("locked", lockedNames) },
);
for (const request of fc.sample(requests, 1000)) {
  const { sort, name, value } = request;
  if (sort === "gone") await without(parts[name], () => count(sort, refusalOf(() => session.set(name, value))));
  else if (sort === "locked") count(sort, refusalOf(() => session.set(name, value)));
  else {
    const { verb, person } = request as WrongRequest;
    const asked = person === root ? session : other;
    count(sort, refusalOf(() => verb === "set" ? asked.set(name, value) : asked.snapshot([name])));
  }
  assert.equal(state(), during, `${sort} ${name} ${value}`);
}
assert.deepEqual(await session.end(), []);
await until(() => state() === before);
assert.equal(state(), before);
console.log(JSON.stringify(refusals));
