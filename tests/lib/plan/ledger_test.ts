import assert from "node:assert/strict";
import fc from "fast-check";
import { RefusedError } from "../../../lib/errors.ts";
import {
  addHolding,
  emptyLedger,
  type Holding,
  holdingOf,
  type Ledger,
  parseLedger,
  removeHolding,
  stepsToUndo,
} from "../../../lib/plan/ledger.ts";
import { type Step, stepKinds } from "../../../lib/plan/step.ts";

const throttle: Step = {
  kind: "file",
  what: "/proc/sys/kernel/sched_rt_runtime_us",
  from: "950000",
  to: "-1",
  why: "no throttle",
  shared: true,
};

function own(name: string): Step {
  return { kind: "cgroup", what: `/sys/fs/cgroup/nodeos-${name}`, from: null, to: "", why: `container ${name}` };
}

function holding(name: string, ...steps: Step[]): Holding {
  return { name, owner: null, spec: {}, createdAtMs: 0, steps };
}

function ledgerOf(...holdings: Holding[]): Ledger {
  return holdings.reduce(addHolding, emptyLedger("boot"));
}

Deno.test("addHolding() gives a shared step the value from before the first one who made it", () => {
  const ledger = ledgerOf(holding("a", own("a"), throttle), holding("b", own("b"), { ...throttle, from: "-1" }));
  assert.equal(holdingOf(ledger, "b")?.steps[1].from, "950000");
});

Deno.test("addHolding() refuses a shared step with another value, and names who has it", () => {
  const ledger = ledgerOf(holding("a", throttle));
  assert.throws(() => addHolding(ledger, holding("b", { ...throttle, to: "500000" })), (error) => {
    assert(error instanceof RefusedError);
    assert.match(error.message, /sched_rt_runtime_us <- 500000.*: container a has it at "-1"/);
    assert.match(error.remedy ?? "", /take a down first/);
    return true;
  });
});

Deno.test("addHolding() refuses what another one has for itself, whoever of the two does not share", () => {
  for (const [first, second] of [[false, false], [true, false], [false, true]]) {
    const ledger = ledgerOf(holding("a", { ...throttle, shared: first }));
    assert.throws(() => addHolding(ledger, holding("b", { ...throttle, shared: second })), RefusedError);
  }
});

Deno.test("addHolding() replaces a holding of the same name", () => {
  const ledger = ledgerOf(holding("a", own("a")), holding("a", own("a"), throttle));
  assert.equal(ledger.holdings.length, 1);
  assert.equal(holdingOf(ledger, "a")?.steps.length, 2);
});

Deno.test("stepsToUndo() leaves out what others still share, until the last one leaves", () => {
  const ledger = ledgerOf(holding("a", throttle, own("a")), holding("b", { ...throttle, from: "-1" }, own("b")));
  const [a, b] = ledger.holdings;
  assert.deepEqual(stepsToUndo(ledger, a), [own("a")]);
  assert.deepEqual(stepsToUndo(ledger, b), [own("b")]);
  assert.deepEqual(stepsToUndo(removeHolding(ledger, "a"), b), [throttle, own("b")]);
});

Deno.test("holdingOf() and removeHolding() do nothing about a name that is not there", () => {
  const ledger = ledgerOf(holding("a", own("a")));
  assert.equal(holdingOf(ledger, "b"), undefined);
  assert.deepEqual(removeHolding(ledger, "b"), ledger);
});

Deno.test("parseLedger() inverts JSON.stringify()", () => {
  const steps = fc.record({
    kind: fc.constantFrom(...stepKinds),
    what: fc.string(),
    from: fc.option(fc.string()),
    to: fc.string(),
    why: fc.string(),
    shared: fc.boolean(),
  });
  const holdings = fc.record({
    name: fc.string(),
    owner: fc.option(fc.record({ pid: fc.nat(), startTicks: fc.nat().map(String) })),
    spec: fc.constant({}),
    createdAtMs: fc.nat(),
    steps: fc.array(steps),
  });
  fc.assert(fc.property(fc.array(holdings), fc.string(), (holdings, bootId) => {
    const ledger = { version: 1, bootId, holdings } as const;
    assert.deepEqual(JSON.parse(JSON.stringify(parseLedger(JSON.stringify(ledger)))), JSON.parse(JSON.stringify(ledger)));
  }));
});

Deno.test("parseLedger() refuses JSON that is no ledger, and says what is wrong", () => {
  const good = { version: 1, bootId: "b", holdings: [{ name: "a", owner: null, steps: [own("a")] }] };
  assert.equal(parseLedger(JSON.stringify(good)).holdings.length, 1);
  const wrong: [unknown, RegExp][] = [
    [null, /version undefined/],
    [{ ...good, version: 2 }, /version 2 is not 1/],
    [{ ...good, bootId: 7 }, /no holdings/],
    [{ ...good, holdings: {} }, /no holdings/],
    [{ ...good, holdings: [good.holdings[0], null] }, /holding 1/],
    [{ ...good, holdings: [{ ...good.holdings[0], name: 1 }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], owner: { pid: "1", startTicks: "2" } }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], owner: undefined }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], steps: [{ ...own("a"), kind: "disk" }] }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], steps: [{ ...own("a"), from: 1 }] }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], steps: [{ ...own("a"), to: null }] }] }, /holding 0/],
  ];
  for (const [value, message] of wrong) assert.throws(() => parseLedger(JSON.stringify(value)), { name: "TypeError", message });
  assert.throws(() => parseLedger('{"version":1,'), SyntaxError);
});
