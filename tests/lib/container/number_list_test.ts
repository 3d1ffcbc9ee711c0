import assert from "node:assert/strict";
import { parseNumberList } from "../../../lib/container/number_list.ts";
import { UsageError } from "../../../lib/errors.ts";

Deno.test("parseNumberList() reads what the kernel reads", () => {
  assert.deepEqual(parseNumberList("2-5,18"), [2, 3, 4, 5, 18]);
  assert.deepEqual(parseNumberList(" 3 , 1,1 "), [1, 3]);
  assert.deepEqual(parseNumberList(""), []);
  assert.equal(parseNumberList("0-9999").length, 10_000);
});

Deno.test("parseNumberList() refuses what is no list as an error of usage", () => {
  for (const text of ["a", "-1", "5-2", "1-", "1--2", "1,,2", "1.5", "0x3", "1 2", "2-3-4", "1\0", "٣", "all", "1;2"]) {
    assert.throws(() => parseNumberList(text), (error) => error instanceof UsageError && /2-15,18/.test(error.remedy!), text);
  }
});

Deno.test("parseNumberList() refuses numbers and lengths that no machine has, before it counts them", () => {
  assert.throws(() => parseNumberList("0-99999"), /above 9999/);
  assert.throws(() => parseNumberList(`1-${"9".repeat(300)}`), UsageError);
  assert.throws(() => parseNumberList("0-9999,".repeat(100_000) + "1"), UsageError);
});
