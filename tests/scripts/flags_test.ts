import assert from "node:assert/strict";
import { parseSpec } from "../../lib/container/spec_file.ts";
import { UsageError } from "../../lib/errors.ts";
import { schedulingWish, seconds } from "../../scripts/flags.ts";

Deno.test("schedulingWish() splits policy and options", () => {
  assert.deepEqual(schedulingWish("fair"), { policy: "fair" });
  assert.deepEqual(schedulingWish("fair,nice=5"), { policy: "fair", nice: 5 });
  assert.deepEqual(schedulingWish("cooperative,throttle=keep"), { policy: "cooperative", throttle: "keep" });
  assert.deepEqual(schedulingWish("deadline,runtime=5ms,period=10ms,deadline=8ms"), {
    policy: "deadline",
    runtimeNs: 5e6,
    deadlineNs: 8e6,
    periodNs: 1e7,
  });
});

Deno.test("schedulingWish() refuses options without a value, without a name, and twice", () => {
  for (
    const text of [
      "",
      ",",
      "fair,",
      "fair,nice",
      "fair,=5",
      "fair,nice=1,nice=1",
      "fair,nice=1=1",
      "deadline,runtime=5ms",
      "Fair",
      "fair nice=5",
    ]
  ) {
    assert.throws(() => schedulingWish(text), (error) => error instanceof UsageError && error.remedy !== undefined, text);
  }
});

Deno.test("schedulingWish() and a YAML file mean the same", () => {
  const cases: [string, string][] = [
    ["fair", "fair"],
    ["cooperative,throttle=keep", "{ policy: cooperative, throttle: keep }"],
    ["fair,nice=-5", "{ policy: fair, nice: -5 }"],
    ["deadline,runtime=950us,period=1s", "{ policy: deadline, runtime: 950us, period: 1s }"],
  ];
  for (const [flag, yaml] of cases) {
    const { request } = parseSpec(`apiVersion: nodeos/v1\ncontainers: [{ name: a, cpus: 1, features: { scheduling: ${yaml} } }]`, "x.yaml");
    assert.deepEqual(request.containers[0].scheduling, schedulingWish(flag));
  }
});

Deno.test("seconds() takes fractions, and nothing but a number from 0", () => {
  assert.equal(seconds("0"), 0);
  assert.equal(seconds("0.5"), 0.5);
  for (const text of ["", "-1", "1s", "1e3", ".5", "NaN", "Infinity", "9999999999"]) assert.throws(() => seconds(text), UsageError, text);
});
