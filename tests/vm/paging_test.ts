import assert from "node:assert/strict";
import { isKernelBefore } from "../../lib/kernel/release.ts";
import { checkout } from "../host.ts";
import { guestTest, isGuest, kernel } from "./guest.ts";

// The tests of the engine, on a kernel that lacks what they only switch off elsewhere: before 6.8 there is no move, before 6.7 no
// scan of what was written, before 6.6 no poison. The variable tells the tests so. On newer kernels they run outside of guests.
if (isGuest && isKernelBefore(kernel, 6, 6)) {
  guestTest("paging: everything that a region does works on a kernel without move, scan and poison", async () => {
    const args = ["test", "--no-check", "-A", "--cached-only", `${checkout}tests/ffi/paging_engine_test.ts`];
    const filter = "/^(a region ([^wk]|w[^o]|ke|works with )|eight threads .* copied|a program that is killed|a user without)/";
    const command = new Deno.Command(Deno.execPath(), {
      args: [...args, "--filter", filter],
      env: { NO_COLOR: "1", NODEOS_PAGING_WITHOUT: "move,scan,poison" },
    });
    const { code, stdout, stderr } = await command.output();
    const out = new TextDecoder().decode(stdout);
    console.log(out.trim().split("\n").at(-1));
    assert.equal(code, 0, `${out}\n${new TextDecoder().decode(stderr)}`);
    assert.match(out, /ok \| [4-7]\d passed \| 0 failed/);
  });
}
