import assert from "node:assert/strict";
import { parseScheduling, SchedulingError } from "../../../lib/container/scheduling_wish.ts";
import { UsageError } from "../../../lib/errors.ts";

const parse = (policy: string, options: Record<string, string> = {}) => parseScheduling(policy, new Map(Object.entries(options)));

function issuesOf(policy: string, options: Record<string, string> = {}) {
  try {
    parse(policy, options);
  } catch (error) {
    assert.ok(error instanceof SchedulingError && error instanceof UsageError && error.exitCode === 2);
    assert.equal(error.message, error.issues[0].message);
    assert.equal(error.remedy, error.issues[0].remedy);
    return error.issues;
  }
  return assert.fail("nothing was wrong");
}

Deno.test("parseScheduling() fills in what is not said", () => {
  assert.deepEqual(parse("fair"), { policy: "fair" });
  assert.deepEqual(parse("fair", { nice: "-20" }), { policy: "fair", nice: -20 });
  assert.deepEqual(parse("fair", { nice: "+19" }), { policy: "fair", nice: 19 });
  assert.deepEqual(parse("cooperative"), { policy: "cooperative", throttle: "lift" });
  assert.deepEqual(parse("cooperative", { throttle: "keep" }), { policy: "cooperative", throttle: "keep" });
  assert.deepEqual(parse("deadline", { runtime: "5ms", period: "10ms" }), {
    policy: "deadline",
    runtimeNs: 5e6,
    deadlineNs: 1e7,
    periodNs: 1e7,
  });
  assert.deepEqual(parse("deadline", { runtime: "5ms", period: "10ms", deadline: "8ms" }), {
    policy: "deadline",
    runtimeNs: 5e6,
    deadlineNs: 8e6,
    periodNs: 1e7,
  });
});

Deno.test("parseScheduling() refuses an unknown policy, and names the nearest", () => {
  assert.match(issuesOf("cooperatve")[0].message, /did you mean "cooperative"/);
  assert.match(issuesOf("constructor")[0].remedy, /fair, cooperative, deadline/);
  assert.equal(issuesOf("")[0].option, null);
});

Deno.test("parseScheduling() refuses an option of another policy, and one that none has", () => {
  assert.deepEqual(issuesOf("fair", { throttle: "keep" }).map(({ option }) => option), ["throttle"]);
  assert.match(issuesOf("deadline", { runtime: "5ms", perod: "10ms", period: "10ms" })[0].message, /did you mean "period"/);
});

Deno.test("parseScheduling() refuses values out of range, all at once", () => {
  for (const nice of ["20", "-21", "5.5", "", "x", "1e1"]) {
    assert.deepEqual(issuesOf("fair", { nice }).map(({ option }) => option), ["nice"], nice);
  }
  assert.deepEqual(issuesOf("cooperative", { throttle: "off" }).map(({ option }) => option), ["throttle"]);
  assert.deepEqual(issuesOf("deadline", { runtime: "5", period: "x", deadline: "-1ms" }).map(({ option }) => option), [
    "runtime",
    "period",
    "deadline",
  ]);
});

Deno.test("parseScheduling() refuses a deadline without a budget, or one that the kernel cannot keep", () => {
  for (const options of [{}, { runtime: "5ms" }, { period: "5ms" }, { deadline: "5ms" }] as Record<string, string>[]) {
    assert.match(issuesOf("deadline", options)[0].message, /without a budget/);
  }
  const impossible: Record<string, string>[] = [
    { runtime: "1000ns", period: "10ms" },
    { runtime: "11ms", period: "10ms" },
    { runtime: "5ms", period: "10ms", deadline: "4ms" },
    { runtime: "5ms", period: "10ms", deadline: "11ms" },
  ];
  for (const options of impossible) assert.match(issuesOf("deadline", options)[0].remedy, /runtime <= deadline <= period/);
  assert.equal(parse("deadline", { runtime: "1024ns", period: "1024ns" }).policy, "deadline");
});
