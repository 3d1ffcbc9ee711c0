import assert from "node:assert/strict";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { checkout, TestState } from "../host.ts";
import { registerWords, runSimulated, simulatedTest } from "../power/simulation.ts";

/** What a shell on a simulated package needs: `settings` prints what was set, `writer` sets it and leaves its process in `$pid`. */
function words(state: TestState): string {
  const { command, options } = state.command();
  const quote = (texts: readonly string[]) => texts.map((text) => `'${text}'`).join(" ");
  const writer = [command, "run", "-q", "-A", `${checkout}tests/scripts/power_writer.ts`, `${state.directory}/power`];
  return `
    ${registerWords}
    cd ${checkout}; zone=/sys/class/powercap/intel-rapl:0:1
    nodeos() { ${quote([command, ...options.args!])} "$@" 2>&1; echo "exit $?"; }
    settings() { echo "$(cat $zone/constraint_0_power_limit_uw) $(read_register 0 0x610)"; }
    writer() {
      exec {out}< <(exec ${quote(writer)} package0/power-limit 120 powercap:dram0/power-limit 20)
      read -r pid <&$out
    }
    settle() { sleep 0.2; settings; }
    settle
  `;
}

async function on(state: TestState, script: string): Promise<string[]> {
  const { out, err } = await runSimulated([new SimulatedPackage()], ["bash", "-c", words(state) + script], {
    env: { NODEOS_STATE: state.directory },
  });
  assert.equal(err, "");
  return out;
}

simulatedTest("nodeos restore puts back what a killed writer of power left, and says what it would put back", async () => {
  await using state = new TestState();
  const out = await on(state, "writer; settle; kill -9 $pid; nodeos restore --dry-run; nodeos restore; settle; nodeos restore");
  const [before, set, ...rest] = out;
  assert.notEqual(set, before);
  const [first, second] = ["/sys/class/powercap/.*constraint_0_power_limit_uw <- \\d+", "msr:0:0x610:0x1ffff <- 0x[0-9a-f]+"];
  assert.match(rest[0], new RegExp(`^${first}$`));
  assert.match(rest[1], new RegExp(`^${second}$`));
  assert.deepEqual(rest.slice(2), [
    "exit 0",
    "nodeos: put back 2 settings of power",
    "exit 0",
    before,
    "nodeos: nothing to put back",
    "exit 0",
  ]);
});

simulatedTest("nodeos restore leaves a writer of power alone, until it is told otherwise", async () => {
  await using state = new TestState();
  const out = await on(state, "writer; settle; nodeos restore; settings; nodeos restore --force --dry-run; nodeos restore --force; settle");
  const [before, set, refusal, remedy, code, still, end] = out;
  assert.notEqual(set, before);
  assert.match(refusal, /Cannot put the node back: process \d+ \(root\) sets power/);
  assert.match(remedy, /kill \d+/);
  assert.equal(code, "exit 1");
  assert.equal(still, set);
  assert.match(end, /^end process \d+, which sets power$/);
  assert.deepEqual(out.slice(-3), ["nodeos: put back 2 settings of power", "exit 0", before]);
});
