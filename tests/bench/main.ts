/**
 * Benchmarks beside their rivals: `deno task bench [forward|launch|memory|noise|paging|plan|power...] [--json] [--out FILE]`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import { benchForward } from "./forward.ts";
import { benchLaunch } from "./launch.ts";
import { benchMemory } from "./memory.ts";
import { benchNoise } from "./noise.ts";
import { benchPaging } from "./paging.ts";
import { benchPlan } from "./plan.ts";
import { benchPower } from "./power.ts";
import { describe, type Group } from "./measure.ts";

const benches: Readonly<Record<string, () => Group[] | Promise<Group[]>>> = {
  forward: benchForward,
  launch: benchLaunch,
  memory: benchMemory,
  noise: benchNoise,
  paging: benchPaging,
  plan: benchPlan,
  power: benchPower,
};

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false }, out: { type: "string" }, help: { type: "boolean", short: "h", default: false } },
  allowPositionals: true,
});
if (values.help) {
  console.log(`usage: deno task bench [options] [${Object.keys(benches).join("|")}...]

Benchmarks beside their rivals, in the same run; all of them when none is named. Keep the machine quiet meanwhile.

  --json        print one JSON document, with the machine and every sample's quantiles
  --out FILE    write that document to FILE as well
  -h, --help    print this`);
  Deno.exit(0);
}
const names = positionals.length > 0 ? positionals : Object.keys(benches);
const unknown = names.find((name) => !(name in benches));
if (unknown !== undefined) {
  console.error(`There is no benchmark ${unknown}; there are: ${Object.keys(benches).join(", ")}`);
  Deno.exit(2);
}

const kernel = new KernelRoot();
const machine = {
  cpu: readTopology(kernel).model,
  cpuCount: readTopology(kernel).onlineCpus.length,
  kernel: kernel.read("/proc/sys/kernel/osrelease").trim(),
  deno: Deno.version.deno,
  loadAverage: kernel.read("/proc/loadavg").split(" ")[0],
  date: new Date().toISOString().slice(0, 10),
};
/** Words are for people only. */
const say = values.json ? () => {} : console.log;
say(
  `${machine.cpu}, ${machine.cpuCount} CPUs, Linux ${machine.kernel}, Deno ${machine.deno}, load ${machine.loadAverage}, ${machine.date}\n`,
);
const groups: Group[] = [];
for (const name of names) {
  for (const group of await benches[name]()) {
    groups.push(group);
    say(`${describe(group)}\n`);
  }
}
const document = JSON.stringify({ machine, groups }, null, 2);
if (values.json) console.log(document);
if (values.out !== undefined) Deno.writeTextFileSync(values.out, `${document}\n`);
