import assert from "node:assert/strict";
import fc from "fast-check";
import { didYouMean, NodeosError, NoSuchObjectError, NotRunningError, RefusedError, UsageError } from "../../lib/errors.ts";

Deno.test("errors carry the exit status that the design gives them, their name and their remedy", () => {
  const codes = [RefusedError, UsageError, NotRunningError, NoSuchObjectError].map((Type) => {
    const error = new Type("Cannot do it", { remedy: "Do this" });
    assert.ok(error instanceof NodeosError && error instanceof Error);
    assert.equal(error.name, Type.name);
    assert.equal(error.remedy, "Do this");
    assert.equal(error.message, "Cannot do it");
    return error.exitCode;
  });
  assert.deepEqual(codes, [1, 2, 3, 4]);
});

Deno.test("errors keep the layer below as their cause", () => {
  const cause = new Error("EBUSY");
  assert.equal(new RefusedError("Cannot do it", { cause }).cause, cause);
  assert.equal(new UsageError("Cannot do it").remedy, undefined);
});

Deno.test("didYouMean() finds what fingers do: letters dropped, added, swapped, and the wrong case", () => {
  const keys = ["cpus", "cpuCount", "memory", "features"];
  for (const word of ["cpu", "cpuss", "cpsu", "CPUS", "cbus"]) assert.equal(didYouMean(word, keys), '; did you mean "cpus"?', word);
  assert.equal(didYouMean("featurs", keys), '; did you mean "features"?');
  assert.equal(didYouMean("memroy", keys), '; did you mean "memory"?');
});

Deno.test("didYouMean() is silent when nothing is near, and when there is nothing", () => {
  assert.equal(didYouMean("zebra", ["cpus", "memory"]), "");
  assert.equal(didYouMean("cpus", []), "");
  assert.equal(didYouMean("", ["cpus"]), "");
  assert.equal(didYouMean("x", ["cpus"]), "");
});

Deno.test("didYouMean() offers the nearest of several", () => {
  assert.equal(didYouMean("limits", ["limbs", "limit"]), '; did you mean "limit"?');
});

Deno.test("didYouMean() finds any known word of four letters and more after one slip", () => {
  const words = ["cpus", "cpuCount", "memory", "pids", "features", "scheduling", "loadBalancing"];
  fc.assert(fc.property(fc.constantFrom(...words), fc.nat(), fc.constantFrom("drop", "double", "replace"), (word, seed, slip) => {
    const at = seed % word.length;
    const letter = slip === "drop" ? "" : slip === "double" ? word[at] + word[at] : "#";
    assert.equal(didYouMean(word.slice(0, at) + letter + word.slice(at + 1), words), `; did you mean ${JSON.stringify(word)}?`);
  }));
});
