import assert from "node:assert/strict";
import { complaints, judge, swing } from "./judge.ts";
import { type PolicyName, policyNames } from "./policies.ts";
import { parseScenario, readScenarios, runScenario, type Scenario, type Trace } from "./scenario.ts";

const rivals = policyNames.filter((name) => name !== "ours" && name !== "uncapped");

/** What a policy breaks of "must hold"; the run without a cap tells where a cap binds. */
function brokenBy(scenario: Scenario, policy: PolicyName, uncapped: Trace): string[] {
  const stretches = judge(scenario, runScenario(scenario, policy), uncapped);
  assert.ok(stretches.some(({ isBinding }) => isBinding), "a scenario without a cap that binds tests nothing");
  return stretches.flatMap(complaints);
}

for (const scenario of readScenarios().filter(({ judge }) => judge === "cap")) {
  const rest = scenario.broken.length === 0 ? "" : `, which is too much for ${scenario.broken.join(" and ")}`;
  Deno.test(`closed loop, ${scenario.name}: within 2 %, settled in 3 windows, no cycle, no violation${rest}`, () => {
    const uncapped = runScenario(scenario, "uncapped");
    assert.deepEqual(brokenBy(scenario, "ours", uncapped), []);
    assert.deepEqual(rivals.filter((name) => brokenBy(scenario, name, uncapped).length > 0), scenario.broken);
  });
}

// Noise, missed polls, and the moments of counters are others with another seed; of a thousand runs a few are just outside.
Deno.test("closed loop: what must hold is no accident of one seed", () => {
  for (const scenario of readScenarios().filter(({ judge }) => judge === "cap")) {
    for (const seed of [2, 3]) {
      const other = { ...scenario, seed };
      assert.deepEqual(brokenBy(other, "ours", runScenario(other, "uncapped")), [], `${scenario.name}, seed ${seed}`);
    }
  }
});

for (const scenario of readScenarios().filter(({ judge }) => judge === "heat")) {
  Deno.test(`${scenario.name}: throttled at most half as long as without thermal management, at no less progress`, () => {
    const [ours, hardware] = [runScenario(scenario, "ours"), runScenario(scenario, "hardware RAPL only")];
    assert.ok(hardware.throttledSeconds > 1, "the node is hot enough");
    assert.ok(ours.throttledSeconds <= hardware.throttledSeconds / 2, `${ours.throttledSeconds} s of ${hardware.throttledSeconds} s`);
    assert.ok(ours.work >= hardware.work, `${ours.work} of ${hardware.work}`);
    assert.ok(ours.heartbeatCount >= hardware.heartbeatCount, "the program says the same");
  });
}

Deno.test("a scenario runs the same every time", () => {
  const scenario = readScenarios().find(({ name }) => name === "sensor-noise")!;
  const short = { ...scenario, seconds: 1 };
  assert.deepEqual(runScenario(short, "ours"), runScenario(short, "ours"));
});

Deno.test("in counter-wrap, the counter does wrap", () => {
  const scenario = readScenarios().find(({ name }) => name === "counter-wrap")!;
  const joules = runScenario(scenario, "ours").joules.at(-1)!;
  assert.ok(scenario.energyCount + joules * 2 ** scenario.package.energyExponent > 2 ** 32);
});

Deno.test("swing() is how far values go and come back; a drift is none", () => {
  assert.equal(swing([3, 3, 2, 2, 1, 1], 0, 6), 0);
  assert.equal(swing([3, 2, 3, 2, 1, 2, 1], 0, 7), 1);
  assert.equal(swing([3, 1, 4, 1], 0, 4), 3);
  assert.equal(swing([1, 5], 0, 2), 0);
});

Deno.test("parseScenario() refuses what it does not know, and what lacks", () => {
  const text = "about: x\nseconds: 1\ncapWatts: 100\nwindowSeconds: 1\njudge: cap\nbroken: []\n";
  assert.equal(parseScenario("x", text).package.coreCount, 16);
  assert.throws(() => parseScenario("x", text + "cap: 1\n"), /no key cap/);
  assert.throws(() => parseScenario("x", text + "package: { cores: 2 }\n"), /no package parameter cores/);
  assert.throws(() => parseScenario("x", text + "events: [{ atSeconds: 1, unlock: true }]\n"), /no event unlock/);
  assert.throws(() => parseScenario("x", text.replace("judge: cap\n", "")), /judge is missing/);
});
