import assert from "node:assert/strict";
import { readRuntest } from "./ltp.ts";
import { reasonToLeaveOut } from "./ltp_left_out.ts";

Deno.test("readRuntest() lists what is installed, with its arguments", () => {
  const text = "# comment\nread01 read01\n\nread02 read02 -x 3 # why\nabsent01 absent01\nlonely\n";
  assert.deepEqual(readRuntest(text, (program) => program.startsWith("read")), [
    { name: "read01", argv: ["read01"] },
    { name: "read02", argv: ["read02", "-x", "3"] },
  ]);
});

Deno.test("reasonToLeaveOut() keeps what would change the machine from being run", () => {
  for (const name of ["swapon01", "clock_settime02", "reboot01", "fcntl33_64", "msgget05", "setdomainname03", "acct02"]) {
    assert.ok(reasonToLeaveOut(name), name);
  }
  for (const name of ["open01", "clock_gettime02", "fcntl34", "access01", "stat01", "statx01"]) assert.equal(reasonToLeaveOut(name), null);
});
