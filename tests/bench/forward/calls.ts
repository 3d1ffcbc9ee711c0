import type { LaunchRequest } from "../../../ffi/launch.ts";
import type { Group } from "../measure.ts";
import { type Bound, compare, type Comparison, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, filterOf, nobody, policyHere } from "./place.ts";

const rounds = 15;
const samplesPerRun = 3000;
const forwardedRatioMax = { ratioMax: 1.15 };
const openedRatioMax = { ratioMax: 1.25 };

/** Calls that the filter allows, beside the same without a filter. */
export async function benchAllowed(bench: Bench, cpus: Cpus): Promise<Group> {
  // A single call is shorter than reading the clock.
  const batch = 1000;
  const comparisons: Comparison[] = [];
  for (const profile of ["full", "lean", "cnk"]) {
    const policy = policyHere({ profile });
    await using keeper = await bench.startKeeper(cpus, policy);
    const way = (request: Omit<LaunchRequest, "argv">) => () =>
      bench.samples("client", ["getppid", 200, batch], { cpus: [cpus.program], ...request }).map((ns) => ns / batch);
    const ours = { name: `under ${profile}`, run: way(filterOf(policy, keeper.control)) };
    comparisons.push(compare(`getppid under ${profile}`, { ours, rival: { name: "without a filter", run: way({}) } }, rounds, {
      addedNsMax: 50,
    }));
  }
  return groupOf("An allowed call beside the same without a filter", comparisons, [
    `Means of ${batch} calls at a time; the whole profile was compiled, and its listener is served.`,
  ]);
}

/** One call that is notified: how the client makes it, and who makes it. */
interface Forwarded {
  readonly what: string;
  readonly args: readonly (string | number)[];
  readonly bound: Bound;
  readonly credentials?: LaunchRequest["credentials"];
}

/** Calls that go to somebody else, beside a bare loop that answers them on the same CPUs. */
export async function benchForwarded(bench: Bench, cpus: Cpus, spinUs = 0): Promise<Group> {
  const openat = ["openat", samplesPerRun, 1, bench.file];
  const forwarded: Forwarded[] = [
    { what: "getppid, handed back", args: ["getppid", samplesPerRun, 1], bound: forwardedRatioMax },
    { what: "fsync(-1), executed", args: ["fsync", samplesPerRun, 1], bound: forwardedRatioMax },
    { what: "openat as root", args: openat, bound: openedRatioMax },
    { what: "openat as nobody", args: openat, bound: openedRatioMax, credentials: nobody },
  ];
  const policy = policyHere({ profile: "full", switches: ["fsync=forward", "openat=inject"], switchable: ["getppid"] });
  await using keeper = await bench.startKeeper(cpus, policy, { spinUs });
  using rival = await bench.startRival(cpus);
  const comparisons = forwarded.map(({ what, args, bound, credentials }) => {
    const way = (name: string, control: string) => ({
      name,
      run: () => bench.samples("client", args, { cpus: [cpus.program], credentials, ...filterOf(policy, control) }),
    });
    return compare(what, { ours: way("forwarder", keeper.control), rival: way("bare loop", rival.control) }, rounds, bound);
  });
  const spinning = spinUs > 0 ? `, polling ${spinUs} us for the next call` : "";
  return groupOf(`A call of a program that somebody else answers, ${cpus.name}${spinning}`, comparisons, [
    "Bare loop: receive, read the path, look whether the call is still alive, open, hand over, close, answer; as root for everybody.",
  ]);
}
