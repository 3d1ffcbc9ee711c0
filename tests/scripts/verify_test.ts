import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { cgroupDirectory, hierarchyOf, readCgroupLayout } from "../../lib/kernel/cgroup.ts";
import { cannotIsolate, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

const kernel = new KernelRoot();
const pids = hierarchyOf(readCgroupLayout(kernel), "pids");

Deno.test("nodeos verify of a node without containers finds nothing", async () => {
  await using state = new TestState();
  const { code, stdout, stderr } = await state.nodeos(["verify"]);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "nodeos: all 0 changes still stand\n" });
  const { steps, drift } = JSON.parse((await state.nodeos(["verify", "--json"])).stdout);
  assert.deepEqual({ steps, drift }, { steps: 0, drift: [] });
});

Deno.test({
  name: `nodeos verify tells what somebody else changed, and repairs it on request${isolationNote}`,
  ignore: cannotIsolate !== null,
  async fn() {
    const before = machineState();
    {
      await using state = new TestState();
      const container = `{ name: verified, cpus: ${lastCpu}, pids: 50 }`;
      assert.equal((await state.nodeos(["up", "-"], `apiVersion: nodeos/v1\ncontainers: [${container}]\n`)).code, 0);
      assert.match((await state.nodeos(["verify"])).stderr, /^nodeos: all \d+ changes still stand\n$/);

      const file = `${cgroupDirectory(pids!, "verified")}/pids.max`;
      kernel.write(file, "40");
      const found = await state.nodeos(["verify"]);
      assert.equal(found.code, 1);
      assert.equal(found.stdout, `container verified\n  ${file} is 40, and should be 50\n`);
      assert.match(found.stderr, /1 values? drifted[^]*nodeos verify --repair/);
      const plain = await state.nodeos(["verify", "--json"]);
      assert.equal(plain.code, 1);
      const { drift } = JSON.parse(plain.stdout);
      assert.deepEqual(
        drift.map(({ container, drift }: { container: string; drift: { step: { what: string }; found: string }[] }) => [
          container,
          drift[0].step.what,
          drift[0].found,
        ]),
        [["verified", file, "40"]],
      );
      assert.equal(kernel.read(file), "40\n", "to look changes nothing");

      const repaired = await state.nodeos(["verify", "--repair"]);
      assert.deepEqual({ code: repaired.code, stdout: repaired.stdout }, { code: 0, stdout: found.stdout });
      assert.match(repaired.stderr, /repaired 1 values?/);
      assert.equal(kernel.read(file), "50\n");
      const again = await state.nodeos(["verify", "--repair", "--json"]);
      assert.equal(again.code, 0);
      assert.deepEqual(JSON.parse(again.stdout).drift, []);
    }
    assert.deepEqual(machineState(), before);
  },
});
