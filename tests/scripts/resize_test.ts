import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { cgroupDirectory, hierarchyOf, readCgroupLayout } from "../../lib/kernel/cgroup.ts";
import { cannotIsolate, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

const kernel = new KernelRoot();
const layout = readCgroupLayout(kernel);

function test(name: string, fn: (state: TestState) => Promise<void>): void {
  Deno.test({
    name: `nodeos resize ${name}${isolationNote}`,
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

/** What a file of a container's cgroup says, by its name on version 1 and on version 2; `null` when it has none. */
function valueOf(container: string, controller: string, version1: string, version2 = version1): string | null {
  const hierarchy = hierarchyOf(layout, controller)!;
  return kernel.tryRead(`${cgroupDirectory(hierarchy, container)}/${hierarchy.version === 1 ? version1 : version2}`)?.trim() ?? null;
}
const memoryOf = (container: string) => valueOf(container, "memory", "memory.limit_in_bytes", "memory.max");
const pidsOf = (container: string) => valueOf(container, "pids", "pids.max");

/** Makes container `sized` with 64 MiB and 50 threads. */
async function up(state: TestState): Promise<void> {
  const container = `{ name: sized, cpus: ${lastCpu}, memory: { limit: 64MiB }, pids: 50 }`;
  const { code, stderr } = await state.nodeos(["up", "-"], `apiVersion: nodeos/v1\ncontainers: [${container}]\n`);
  assert.equal(code, 0, stderr);
}

test("gives a container other limits, and lifts them", async (state) => {
  await up(state);
  assert.deepEqual([memoryOf("sized"), pidsOf("sized")], ["67108864", "50"]);
  const grown = await state.nodeos(["resize", "sized", "--memory", "128MiB", "--pids", "60"]);
  assert.deepEqual({ code: grown.code, stderr: grown.stderr }, { code: 0, stderr: `nodeos: container sized has CPUs ${lastCpu} now\n` });
  assert.deepEqual([memoryOf("sized"), pidsOf("sized")], ["134217728", "60"]);
  const { code, stdout } = await state.nodeos(["resize", "sized", "--json", "--memory", "none", "--pids", "none"]);
  assert.equal(code, 0);
  const [spec] = JSON.parse(stdout).containers;
  assert.deepEqual([spec.name, spec.memoryBytes, spec.pidsMax], ["sized", null, null]);
  assert.equal(pidsOf("sized"), "max");
  assert.notEqual(memoryOf("sized"), "134217728");
  assert.match((await state.nodeos(["verify"])).stderr, /all \d+ changes still stand/);
});

test("limits a program that runs, which notices nothing", async (state) => {
  const program = "trap 'cat /proc/self/cgroup; exit 6' USR1; echo ready; while :; do sleep 0.05; done";
  const child = state.spawn("run", "--name", "sized", "--cpus", `${lastCpu}`, "--", "sh", "-c", program);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "ready\n");
  assert.equal((await state.nodeos(["resize", "sized", "--memory", "256MiB"])).code, 0);
  assert.equal(memoryOf("sized"), "268435456");
  child.kill("SIGUSR1");
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  assert.match(text, /(?::memory|0:):\/nodeos-sized\n/);
  await child.stderr.cancel();
  assert.equal((await child.status).code, 6);
  assert.equal(memoryOf("sized"), null);
});

test("changes nothing with --dry-run, and prints each change", async (state) => {
  await up(state);
  const { code, stdout } = await state.nodeos(["resize", "sized", "-n", "--memory", "32MiB"]);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^# container sized on CPUs ${lastCpu}\n\\S+/nodeos-sized/memory\\S+ +<- 33554432 +memory limit\n$`));
  const { containers } = JSON.parse((await state.nodeos(["resize", "sized", "-n", "--json", "--pids", "7"])).stdout);
  assert.deepEqual(
    containers.map(({ spec, steps }: { spec: { pidsMax: number }; steps: { to: string }[] }) => [spec.pidsMax, steps[0].to]),
    [[7, "7"]],
  );
  assert.deepEqual([memoryOf("sized"), pidsOf("sized")], ["67108864", "50"]);
});

test("says 1 for what is refused, 2 for wrong words, 4 for a container that is not there, and changes nothing", async (state) => {
  await up(state);
  const cases: [args: string[], code: number, message: RegExp][] = [
    [["sized", "--cpus", `0-${lastCpu}`], 1, /Cannot leave no CPU for the ServiceOS/],
    [["sized", "--cpus", "4000"], 2, /CPUs 4000 do not run/],
    [["sized", "--memory", "lots"], 2, /Cannot read "lots" as a size/],
    [["sized", "--memory", "1000TiB"], 2, /more than there is/],
    [["sized", "--pids", "0"], 2, /Cannot read "0" as a count/],
    [["sized"], 2, /Cannot resize to nothing new/],
    [[], 2, /name/],
    [["nobody", "--pids", "5"], 4, /Cannot find container "nobody"[^]*There are: sized/],
    [["service", "--cpus", "0"], 4, /Cannot find container "service"/],
    [["sized", "--cpus", `${lastCpu}`, "--give", "nobody"], 4, /Cannot find container "nobody"/],
  ];
  for (const [args, code, message] of cases) {
    const result = await state.nodeos(["resize", ...args]);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, message);
  }
  assert.deepEqual([memoryOf("sized"), pidsOf("sized")], ["67108864", "50"]);
});
