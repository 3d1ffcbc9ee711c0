import assert from "node:assert/strict";
import fc from "fast-check";
import { RefusedError } from "../../../lib/errors.ts";
import {
  addHolding,
  emptyLedger,
  type Holding,
  holdingOf,
  type Ledger,
  nodeName,
  parseLedger,
  removeHolding,
  replaceHolding,
  sharedSteps,
  stepsOfOthers,
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

Deno.test("replaceHolding() keeps the order, and does nothing about a name that is not there", () => {
  const ledger = ledgerOf(holding("a", own("a")), holding("b", own("b")));
  const changed = replaceHolding(ledger, { ...ledger.holdings[0], steps: [] });
  assert.deepEqual(changed.holdings.map(({ name, steps }) => [name, steps.length]), [["a", 0], ["b", 1]]);
  assert.deepEqual(replaceHolding(ledger, holding("c")), ledger);
});

Deno.test("holdingOf() and removeHolding() do nothing about a name that is not there", () => {
  const ledger = ledgerOf(holding("a", own("a")));
  assert.equal(holdingOf(ledger, "b"), undefined);
  assert.deepEqual(removeHolding(ledger, "b"), ledger);
});

Deno.test("what all containers changed together counts as another one, and the other way round", () => {
  const controller: Step = { kind: "controller", what: "/sys/fs/cgroup:cpuset", from: "-", to: "+", why: "", shared: true };
  const first = ledgerOf(holding("a", own("a"), controller));
  const ledger: Ledger = { ...first, node: { steps: sharedSteps(first, nodeName, [{ ...controller, from: "+" }]) } };
  assert.equal(ledger.node?.steps[0].from, "-");
  const [a] = ledger.holdings;
  assert.deepEqual(stepsToUndo(ledger, a), [own("a")]);
  assert.deepEqual(stepsToUndo(ledger, { name: nodeName, steps: ledger.node!.steps }), []);
  assert.deepEqual(stepsToUndo(removeHolding(ledger, "a"), { name: nodeName, steps: ledger.node!.steps }), [controller]);
  // Who comes when only the whole node holds it still knows how it was before all.
  assert.equal(addHolding(removeHolding(ledger, "a"), holding("b", { ...controller, from: "+" })).holdings[0].steps[0].from, "-");
  assert.deepEqual(stepsOfOthers(ledger, "b").length, 2);
});

Deno.test("sharedSteps() names the whole node when that has something otherwise", () => {
  const ledger: Ledger = { ...emptyLedger("boot"), node: { steps: [throttle] } };
  assert.throws(
    () => sharedSteps(ledger, "a", [{ ...throttle, to: "5" }]),
    (error) => error instanceof RefusedError && /the whole node has it at "-1"/.test(error.message) && error.remedy !== undefined,
  );
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
    changing: fc.option(
      fc.record({
        owner: fc.record({ pid: fc.nat(), startTicks: fc.nat().map(String) }),
        spec: fc.constant({}),
        steps: fc.array(steps),
        pins: fc.dictionary(fc.string(), fc.string()),
      }),
      { nil: undefined },
    ),
  });
  const nodes = fc.option(
    fc.record({
      steps: fc.array(steps),
      changing: fc.option(fc.record({ pid: fc.nat(), startTicks: fc.nat().map(String) }), { nil: undefined }),
    }),
    { nil: undefined },
  );
  fc.assert(fc.property(fc.array(holdings), nodes, fc.string(), (holdings, node, bootId) => {
    const ledger = { version: 1, bootId, holdings, node } as const;
    assert.deepEqual(JSON.parse(JSON.stringify(parseLedger(JSON.stringify(ledger)))), JSON.parse(JSON.stringify(ledger)));
  }));
});

Deno.test("parseLedger() refuses JSON that is no ledger, and says what is wrong", () => {
  const good = { version: 1, bootId: "b", holdings: [{ name: "a", owner: null, steps: [own("a")] }] };
  assert.equal(parseLedger(JSON.stringify(good)).holdings.length, 1);
  const change = { owner: { pid: 1, startTicks: "2" }, spec: {}, steps: [], pins: {} };
  assert.equal(parseLedger(JSON.stringify({ ...good, holdings: [{ ...good.holdings[0], changing: change }] })).holdings.length, 1);
  assert.deepEqual(parseLedger(JSON.stringify({ ...good, node: { steps: [own("a")] } })).node, { steps: [own("a")] });
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
    [{ ...good, holdings: [{ ...good.holdings[0], changing: null }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], changing: { ...change, owner: null } }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], changing: { ...change, steps: [7] } }] }, /holding 0/],
    [{ ...good, holdings: [{ ...good.holdings[0], changing: { ...change, pins: undefined } }] }, /holding 0/],
    [{ ...good, node: null }, /steps of the node/],
    [{ ...good, node: {} }, /steps of the node/],
    [{ ...good, node: { steps: {} } }, /steps of the node/],
    [{ ...good, node: { steps: [{ ...own("a"), kind: "disk" }] } }, /steps of the node/],
    [{ ...good, node: { steps: [], changing: { pid: "1" } } }, /steps of the node/],
  ];
  for (const [value, message] of wrong) assert.throws(() => parseLedger(JSON.stringify(value)), { name: "TypeError", message });
  assert.throws(() => parseLedger('{"version":1,'), SyntaxError);
});
