/**
 * Lets the library's thread sample registers: `sampler.ts ROOT CPUS PERIOD_US COUNT CPU PRIORITY` prints for each sample how long
 * after its period began it began, and what it took, in ns; then `missed N`.
 */
import { Sampler } from "../../../ffi/sampler.ts";
import { requestsOf } from "./registers.ts";

const [root, cpus, periodUs, count, cpu, priority] = Deno.args;
const periodNs = Number(periodUs) * 1000;
const capacity = Number(count) + 100;
using sampler = new Sampler(root === "" ? "/" : root, {
  requests: requestsOf(Number(cpus)),
  periodNs,
  capacity,
  cpu: Number(cpu),
  priority: Number(priority),
});
// JavaScript stays out of the way: all of them are read at the end.
await new Promise((resolve) => setTimeout(resolve, Number(count) * periodNs / 1e6 + 50));
const { missedCount, failedCount, scheduling, placement } = sampler.state();
if (failedCount > 0 || scheduling < 0 || placement < 0) {
  throw new Error(`Cannot measure: ${failedCount} failed, ${scheduling}, ${placement}`);
}
let printed = 0;
for (let samples = sampler.read(); samples.length > 0 && printed < Number(count); samples = sampler.read()) {
  const lines = samples.map(({ sequence, missedCount, atNs, tookNs }) =>
    `${atNs - sampler.startNs - BigInt((sequence + missedCount) * periodNs)} ${tookNs}`
  );
  printed += lines.length;
  console.log(lines.join("\n"));
}
console.log(`missed ${missedCount}`);
