import type { LaunchRequest } from "../../../ffi/launch.ts";
import type { Group } from "../measure.ts";
import { type Bound, compare, type Comparison, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, filterOf, nobody, policyHere } from "./place.ts";

const rounds = 9;
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
      bench.samples("client", ["getppid", 60, batch], { cpus: [cpus.program], ...request }).map((ns) => ns / batch);
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
  readonly bound?: Bound;
  readonly credentials?: LaunchRequest["credentials"];
}

/** Calls that go to somebody else, beside a bare loop that answers them on the same CPUs, and beside ptrace. */
export async function benchForwarded(bench: Bench, cpus: Cpus, spinUs = 0): Promise<Group> {
  // A sleeping CPU is woken for each call: there is less to measure in the same time.
  const samples = cpus.program === cpus.service ? 2000 : 500;
  const onPath = (call: string) => [call, samples, 1, bench.file];
  const forwarded: Forwarded[] = [
    { what: "getppid, executed", args: ["getppid", samples, 1], bound: forwardedRatioMax },
    { what: "getsid, handed back", args: ["getsid", samples, 1] },
    { what: "fsync(-1) as root", args: ["fsync", samples, 1] },
    { what: "newfstatat as root", args: onPath("newfstatat") },
    { what: "newfstatat as nobody", args: onPath("newfstatat"), credentials: nobody },
    { what: "openat as root", args: onPath("openat"), bound: openedRatioMax },
    { what: "openat as nobody", args: onPath("openat"), bound: openedRatioMax, credentials: nobody },
  ];
  const switches = ["fsync=forward", "newfstatat=forward", "openat=inject"];
  const policy = policyHere({ profile: "full", switches, switchable: ["getppid", "getsid"] });
  await using keeper = await bench.startKeeper(cpus, policy, { spinUs, impersonal: "getppid" });
  using loop = await bench.startRival(cpus);
  const way = (name: string, control: string, { args, credentials }: Pick<Forwarded, "args" | "credentials">) => ({
    name,
    run: () => bench.samples("client", args, { cpus: [cpus.program], credentials, ...filterOf(policy, control) }),
  });
  const comparisons = forwarded.map((call) => {
    const ways = { ours: way("forwarder", keeper.control, call), rival: way("bare loop", loop.control, call) };
    return compare(call.what, ways, rounds, call.bound);
  });
  const [getppid] = forwarded;
  const traced = [cpus.service, `${bench.directory}/client`, ...getppid.args];
  comparisons.push(compare("getppid, beside a stop by ptrace", {
    ours: way("forwarder", keeper.control, getppid),
    rival: { name: "ptrace", run: () => bench.samples("tracer", traced, { cpus: [cpus.program] }) },
  }, rounds));
  const spinning = spinUs > 0 ? `, polling ${spinUs} us for the next call` : "";
  return groupOf(`A call of a program that somebody else answers, ${cpus.name}${spinning}`, comparisons, [
    "Bare loop: receive, read the path, look whether the call is still alive, execute, hand over and close or write back, answer; as root",
    "for everybody, with the priority of the forwarder. ptrace: the program stops, and goes on.",
  ]);
}
