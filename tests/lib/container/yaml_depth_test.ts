import assert from "node:assert/strict";
import { Parser } from "yaml";
import { tooDeepOffset, yamlDepthMax } from "../../../lib/container/yaml_depth.ts";

const deep = (text: string) => [...new Parser().parse(text)].map(tooDeepOffset).find((offset) => offset !== null) ?? null;

Deno.test("tooDeepOffset() lets through what is as deep as is allowed, in flow and in block style", () => {
  assert.equal(deep("[".repeat(yamlDepthMax) + "]".repeat(yamlDepthMax)), null);
  assert.equal(deep(Array.from({ length: yamlDepthMax }, (_, index) => `${" ".repeat(index)}a:`).join("\n") + " 1\n"), null);
  assert.equal(deep(""), null);
  assert.equal(deep("just words"), null);
});

Deno.test("tooDeepOffset() finds the first value that is too deep, in keys as well", () => {
  const brackets = yamlDepthMax + 3;
  assert.equal(deep("[".repeat(brackets) + "]".repeat(brackets)), yamlDepthMax + 1);
  assert.notEqual(deep("? ".repeat(brackets) + "a\n"), null);
  assert.notEqual(deep("a: " + "{ b: ".repeat(brackets) + "1" + " }".repeat(brackets)), null);
});

Deno.test("tooDeepOffset() of a hundred thousand brackets neither overflows nor takes long", () => {
  const startMs = performance.now();
  assert.notEqual(deep("[".repeat(100_000)), null);
  assert.ok(performance.now() - startMs < 30_000);
});
