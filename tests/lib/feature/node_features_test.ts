import assert from "node:assert/strict";
import { nodeFeature, nodeFeatures, quietPreset } from "../../../lib/feature/node_features.ts";
import { leftOf, linesOf } from "./scene.ts";

Deno.test("nodeFeatures have each a name of its own, that of a key in a specification", () => {
  const names = nodeFeatures.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z][a-zA-Z]+$/);
});

Deno.test("nodeFeatures have two different words each and one sentence", () => {
  for (const { name, words: [enabled, disabled], doc } of nodeFeatures) {
    assert.notEqual(enabled, disabled, name);
    assert.match(doc, /^[A-Z][^.\n]+$/, name);
  }
});

Deno.test("nodeFeatures move programs first and switch CPUs off last", () => {
  assert.equal(nodeFeatures[0].name, "tasks");
  assert.equal(nodeFeatures.at(-1)!.name, "smtSiblings");
});

Deno.test("nodeFeatures plan nothing, and do not fail, on a machine that has nothing of the kind", () => {
  for (const feature of nodeFeatures) {
    assert.deepEqual(linesOf(feature, {}), [], feature.name);
    for (const line of leftOf(feature, {})) assert.equal(line.includes("\n"), false);
  }
});

Deno.test("nodeFeature() finds a feature by its exact name", () => {
  assert.equal(nodeFeature("cStates")?.words[0], "off");
  assert.equal(nodeFeature("cstates"), undefined);
});

Deno.test("quietPreset is everything but the feature that takes CPUs away from everybody", () => {
  assert.deepEqual(nodeFeatures.map(({ name }) => name).filter((name) => !quietPreset.includes(name)), ["smtSiblings"]);
});
