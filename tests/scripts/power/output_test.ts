import assert from "node:assert/strict";
import { RefusedError, UsageError } from "../../../lib/errors.ts";
import { checkOutputs, TextOutput } from "../../../scripts/power/output.ts";

Deno.test("TextOutput writes piece by piece, and begins with an empty file", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "what was there before, and is longer");
    using output = new TextOutput(path);
    output.write("one\n");
    assert.equal(Deno.readTextFileSync(path), "one\n");
    output.write("two\n");
    assert.equal(Deno.readTextFileSync(path), "one\ntwo\n");
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("TextOutput refuses a file that cannot be written, before anything is measured", () => {
  assert.throws(
    () => new TextOutput("/nonexistent/x.csv"),
    (error) => error instanceof RefusedError && error.message === "Cannot write /nonexistent/x.csv: ENOENT",
  );
});

Deno.test("checkOutputs() allows one document on standard output", () => {
  checkOutputs(["-", undefined, "a", "a"]);
  assert.throws(() => checkOutputs(["-", "-"]), UsageError);
});
