import assert from "node:assert/strict";
import { isFault } from "../suites/result.ts";
import type { Comparison } from "../suites/compare_suite.ts";
import { suiteVariables } from "../suites/options.ts";
import { checkout } from "../host.ts";
import { cannotForward, noteOf } from "./forward/host.ts";

/** What `tests/suites/main.ts --json` prints. */
interface Document {
  readonly suite: string;
  readonly mode: string;
  readonly comparisons: readonly Comparison[];
}

async function runSuite(suite: string): Promise<Document[]> {
  const args = ["run", "-q", "-A", `${checkout}tests/suites/main.ts`, suite, "--json"];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "inherit" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

for (const [suite, variable] of Object.entries(suiteVariables)) {
  const reason = cannotForward ?? (Deno.env.get(variable) ? null : `needs ${variable}: a directory where it stands ready, and an hour`);
  Deno.test({
    name: `${suite} ends with forwarded calls as it ends natively${noteOf(reason)}`,
    ignore: reason !== null,
    async fn(t) {
      for (const { mode, comparisons } of await runSuite(suite)) {
        await t.step(`${mode}: ${comparisons.length} entries`, () => {
          assert.ok(comparisons.length > 200);
          assert.deepEqual(comparisons.filter(({ verdict }) => isFault(verdict)), []);
          // Few notice the filter; where all do, it is something else.
          assert.ok(comparisons.filter(({ verdict }) => verdict === "same").length > 0.95 * comparisons.length);
        });
      }
    },
  });
}
