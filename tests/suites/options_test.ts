import assert from "node:assert/strict";
import { UsageError } from "../../lib/errors.ts";
import { prefixFor, prefixOfFilter } from "./mode.ts";
import { readOptions } from "./options.ts";

Deno.test("readOptions() runs both suites in both modes unless told otherwise", () => {
  const { suites, modes, nativeRounds, all, prefix } = readOptions([], "/checkout/");
  assert.deepEqual([suites, modes, nativeRounds, all], [["ltp", "pjdfstest"], ["path", "path+fd+data"], null, false]);
  assert.deepEqual(prefix.slice(-3), ["/checkout/tests/suites/forwarded.ts", "full,{switches}", "--"]);
});

Deno.test("readOptions() knows a flag whose value may be left out", () => {
  assert.equal(readOptions(["ltp", "--native"], "").nativeRounds, 1);
  assert.equal(readOptions(["--native", "3", "ltp"], "").nativeRounds, 3);
});

Deno.test("readOptions() refuses what there is not", () => {
  for (const args of [["ltpp"], ["--mode", "paths"], ["--repeats", "x"], ["--limit", "0"], ["--nativ"]]) {
    assert.throws(() => readOptions(args, ""), UsageError, args.join(" "));
  }
});

Deno.test("prefixFor() fills in the mode, and prefixOfFilter() lets it through", () => {
  const prefix = ["nodeos", "run", "--syscalls", "full,{switches}", "--"];
  assert.equal(prefixFor("path+fd+data", prefix)[3], "full,@path=forward,@fd=forward,@data=forward");
  assert.deepEqual(prefixFor("path", ["tool", "{groups}"]), ["tool", "path"]);
  assert.equal(prefixOfFilter("path+fd+data", prefix)[3], "full,@path=switchable,@fd=switchable,@data=switchable");
});
