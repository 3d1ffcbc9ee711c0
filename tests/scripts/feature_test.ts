import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { nodeFeatures } from "../../lib/feature/node_features.ts";
import { cgroupDirectory, hierarchyOf, readCgroupLayout } from "../../lib/kernel/cgroup.ts";
import { cannotIsolate, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

// Nothing here enables a feature of the whole node: the programs of others on this machine are not ours to move.
const kernel = new KernelRoot();
const cpuset = hierarchyOf(readCgroupLayout(kernel), "cpuset");

function test(name: string, fn: (state: TestState) => Promise<void>): void {
  Deno.test({
    name: `nodeos feature ${name}${isolationNote}`,
    ignore: cannotIsolate !== null,
    async fn() {
      const before = machineState();
      {
        await using state = new TestState();
        await fn(state);
      }
      assert.deepEqual(machineState(), before);
    },
  });
}

async function up(state: TestState, features = ""): Promise<void> {
  const container = `{ name: featured, cpus: ${lastCpu}, features: { ${features} } }`;
  const { code, stderr } = await state.nodeos(["up", "-"], `apiVersion: nodeos/v1\ncontainers: [${container}]\n`);
  assert.equal(code, 0, stderr);
}

/** Whether the kernel balances load in the container. */
function isBalanced(): boolean {
  const directory = cgroupDirectory(cpuset!, "featured");
  return cpuset!.version === 1
    ? kernel.read(`${directory}/cpuset.sched_load_balance`) === "1\n"
    : kernel.read(`${directory}/cpuset.cpus.partition`) === "root\n";
}

Deno.test("nodeos feature lists every feature of the whole node with its words, needs no container and no root", async () => {
  await using state = new TestState();
  const { code, stdout } = await state.nodeos(["feature"]);
  assert.equal(code, 0);
  for (const { name, words: [enabled], reach } of nodeFeatures) {
    assert.match(stdout, new RegExp(`^${name} +${enabled} +${reach === "node" ? "whole node" : "its CPUs"} +\\S`, "m"));
  }
  assert.match(stdout, /loadBalancing.*swap.*scheduling/);
  const { features } = JSON.parse((await state.nodeos(["feature", "--json"])).stdout);
  assert.deepEqual(
    features,
    nodeFeatures.map(({ name, doc, words: [enabled, disabled], reach }) => ({ name, doc, enabled, disabled, reach })),
  );
});

test("lists what a container has", async (state) => {
  await up(state, "loadBalancing: on, scheduling: { policy: fair, nice: 3 }");
  const { code, stdout } = await state.nodeos(["feature", "featured"]);
  assert.equal(code, 0);
  assert.match(stdout, /^CONTAINER featured/);
  for (const { name, words: [, disabled] } of nodeFeatures) assert.match(stdout, new RegExp(`^${name} +${disabled}$`, "m"));
  assert.match(stdout, /^loadBalancing +on$/m);
  assert.doesNotMatch(stdout, /STAYS/);
  const { name, features, left } = JSON.parse((await state.nodeos(["feature", "featured", "--json"])).stdout);
  assert.deepEqual([name, features.loadBalancing, features.swap, features.tasks, left], ["featured", "on", "on", "stay", []]);
});

test("switches load balancing on and off, of a program that runs too", async (state) => {
  const child = state.spawn(
    "run",
    "--name",
    "featured",
    "--cpus",
    `${lastCpu}`,
    "--",
    "sh",
    "-c",
    "echo ready; while :; do sleep 0.05; done",
  );
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "ready\n");
  assert.equal(isBalanced(), false);
  const on = await state.nodeos(["feature", "featured", "enable", "loadBalancing"]);
  assert.deepEqual({ code: on.code, stderr: on.stderr }, { code: 0, stderr: "nodeos: container featured has loadBalancing enabled now\n" });
  assert.equal(isBalanced(), true);
  const off = await state.nodeos(["feature", "featured", "disable", "loadBalancing", "--json"]);
  assert.equal(JSON.parse(off.stdout).container.loadBalancing, "off");
  assert.equal(isBalanced(), false);
  assert.equal((await state.nodeos(["verify"])).code, 0);
  child.kill("SIGTERM");
  await reader.cancel();
  await child.stderr.cancel();
  assert.equal((await child.status).code, 143);
});

test("changes nothing with --dry-run, and prints each change", async (state) => {
  await up(state);
  const { code, stdout } = await state.nodeos(["feature", "featured", "enable", "loadBalancing", "-n"]);
  assert.equal(code, 0);
  assert.match(
    stdout,
    new RegExp(`^# container featured on CPUs ${lastCpu}\n\\S+/nodeos-featured/cpuset\\.\\S+ +<- (?:1|root) +.*load balancing on\n$`),
  );
  const { containers } = JSON.parse((await state.nodeos(["feature", "featured", "enable", "loadBalancing", "-n", "--json"])).stdout);
  assert.equal(containers[0].steps.length, 1);
  assert.equal(isBalanced(), false);
});

test("says 1 for what is refused, 2 for wrong words, 4 for a container that is not there, and changes nothing", async (state) => {
  await up(state);
  const cases: [args: string[], code: number, message: RegExp][] = [
    [["featured", "enable", "scheduling=deadline,runtime=1ms,period=10ms"], 1, /Cannot give running programs a deadline/],
    [["featured", "enable", "scheduling"], 2, /without a policy/],
    [["featured", "enable", "scheduling=coop"], 2, /coop/],
    [["featured", "enable", "loadBalancng"], 2, /Cannot find a feature "loadBalancng"; did you mean "loadBalancing"\?/],
    [["featured", "enable", "tasks=away"], 2, /Cannot give "tasks" a value/],
    [["featured", "enable"], 2, /Cannot switch no feature/],
    [["featured", "switch", "tasks"], 2, /Cannot "switch" a feature/],
    // All of them, or none.
    [["featured", "enable", "loadBalancing", "nothing"], 2, /Cannot find a feature "nothing"/],
    [["nobody", "disable", "swap"], 4, /Cannot find container "nobody"/],
    [["nobody"], 4, /Cannot find container "nobody"/],
  ];
  for (const [args, code, message] of cases) {
    const result = await state.nodeos(["feature", ...args]);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, message);
  }
  assert.equal(isBalanced(), false);
});
