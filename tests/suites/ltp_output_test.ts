import assert from "node:assert/strict";
import { readLtpOutput } from "./ltp_output.ts";
import { noCounts } from "./result.ts";

Deno.test("readLtpOutput() takes the sums at the end, which have what children found", () => {
  const output = "a.c:1: TPASS: one\n\nSummary:\npassed   7\nfailed   1\nbroken   2\nskipped  3\nwarnings 4\n";
  assert.deepEqual(readLtpOutput(output), { passed: 7, failed: 1, broken: 2, skipped: 3, warnings: 4 });
});

Deno.test("readLtpOutput() adds the sums of several programs", () => {
  const summary = "Summary:\npassed   2\nfailed   0\nbroken   0\nskipped  1\nwarnings 0\n";
  assert.deepEqual(readLtpOutput(`${summary}x\n${summary}`), { ...noCounts, passed: 4, skipped: 2 });
});

Deno.test("readLtpOutput() counts lines where there are no sums", () => {
  const output = "mmap1 1 TPASS : fine\nmmap1 2 TFAIL : mmap.c:9: no\na.c:3: TCONF: not here\na.c:4: TINFO: TPASS is a word\n";
  assert.deepEqual(readLtpOutput(output), { ...noCounts, passed: 1, failed: 1, skipped: 1 });
});

Deno.test("readLtpOutput() finds nothing in nothing", () => {
  assert.deepEqual(readLtpOutput(""), noCounts);
});
