import { launch, type LaunchRequest } from "../../../ffi/launch.ts";
import type { Group } from "../measure.ts";
import { compare, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, filterOf, finish, policyHere } from "./place.ts";

const rounds = 10;
const launchesPerRun = 20;

/** From the request until the program is executed, and until it has ended. */
export async function benchLaunching(bench: Bench, cpus: Cpus): Promise<Group> {
  const policy = policyHere({ profile: "lean" });
  await using keeper = await bench.startKeeper(cpus, policy);
  const request = { argv: ["/bin/true"], cpus: [cpus.program] };
  const filtered = { ...request, ...filterOf(policy, keeper.control) };
  const ways = (measure: (request: LaunchRequest) => number) => ({
    ours: { name: "under lean", run: () => times(() => measure(filtered)) },
    rival: { name: "without a filter", run: () => times(() => measure(request)) },
  });
  return groupOf(`Launch /bin/true under lean, its listener handed to a keeper (${cpus.name}), beside a launch without a filter`, [
    compare("until it is executed", ways(executedNs), rounds, { addedNsMax: 1e6 }),
    compare("until it has ended", ways(endedNs), rounds),
  ], ["Until it has ended: the loader's calls on names are forwarded."]);
}

function times(measure: () => number): number[] {
  return Array.from({ length: launchesPerRun }, measure);
}

function executedNs(request: LaunchRequest): number {
  const from = performance.now();
  const launched = launch(request);
  const ns = (performance.now() - from) * 1e6;
  finish(launched, request.argv);
  return ns;
}

function endedNs(request: LaunchRequest): number {
  const from = performance.now();
  finish(launch(request), request.argv);
  return (performance.now() - from) * 1e6;
}
