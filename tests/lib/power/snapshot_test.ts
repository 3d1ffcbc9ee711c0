import assert from "node:assert/strict";
import type { Meter, Provider, Reading } from "../../../lib/power/meter.ts";
import { prepareSnapshot } from "../../../lib/power/snapshot.ts";
import { meter } from "./meters.ts";

/** A provider that notes when it reads what. */
class Noted implements Provider {
  readonly meters: readonly Meter[];
  readonly lacks = [];
  constructor(readonly name: string, names: readonly string[], readonly events: string[], readonly answer: (name: string) => Reading) {
    this.meters = names.map((one) => meter(one, { provider: name }));
  }
  prepare(meters: readonly Meter[]) {
    this.events.push(`prepare ${this.name}`);
    return () => {
      this.events.push(`read ${meters.map(({ name }) => name).join()}`);
      return meters.map(({ name }) => this.answer(name));
    };
  }
  plan() {
    return [];
  }
  [Symbol.dispose]() {}
}

Deno.test("a snapshot reads each provider once, after its time was taken, and answers in the order of the question", () => {
  const events: string[] = [];
  const one = new Noted("one", ["a", "b"], events, (name) => name === "a" ? 1 : 2);
  const two = new Noted("two", ["c"], events, () => 3);
  let now = 100n;
  const clock = () => {
    events.push("clock");
    return now += 7n;
  };
  const meters = [one.meters[1], two.meters[0], one.meters[0]];
  const read = prepareSnapshot(meters, ({ provider }) => provider === "one" ? one : two, clock);
  assert.deepEqual(read(), { atNs: 107n, spanNs: 7, values: [2, 3, 1], missing: [] });
  assert.deepEqual(read().atNs, 121n);
  assert.deepEqual(events.slice(0, 6), ["prepare one", "prepare two", "clock", "read b,a", "read c", "clock"]);
  assert.equal(events.filter((event) => event.startsWith("prepare")).length, 2);
});

Deno.test("a snapshot takes what is not a number for missing", () => {
  const one = new Noted("one", ["a", "b"], [], (name) => name === "a" ? NaN : { reason: "it is asleep" });
  const { values, missing } = prepareSnapshot(one.meters, () => one, () => 0n)();
  assert.deepEqual(values, [null, null]);
  assert.deepEqual(missing, [{ name: "a", reason: "it is not a number" }, { name: "b", reason: "it is asleep" }]);
});
