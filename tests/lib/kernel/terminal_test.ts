import assert from "node:assert/strict";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { isInForeground } from "../../../lib/kernel/terminal.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const kernel = new KernelRoot();
// The library opens on first use: within a test that would count as a leak.
kernel.exists("/proc");

const stat = (group: number, foreground: number) => `7 (a (b) c) S 1 ${group} 7 34816 ${foreground} 4194304 0 0`;

Deno.test("isInForeground() compares the process group with the terminal's", () => {
  const files = new MemoryRoot({ "/proc/7/stat": stat(7, 7), "/proc/8/stat": stat(8, 7), "/proc/9/stat": stat(9, -1) });
  assert.deepEqual([7, 8, 9, 10].map((pid) => isInForeground(files, pid)), [true, false, false, false]);
});

Deno.test({
  name: "isInForeground() knows a program that a terminal runs",
  async fn() {
    const script = "sed 's/.*) //' /proc/$$/stat; sleep 100";
    const child = new Deno.Command("script", {
      args: ["-qec", `exec sh -c '${script.replaceAll("'", "'\\''")}'`, "/dev/null"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n")) text += (await reader.read()).value ?? "";
    const group = Number(text.split(" ")[2]);
    assert.equal(isInForeground(kernel, group), true);
    assert.equal(isInForeground(kernel, child.pid), false);
    const writer = child.stdin.getWriter();
    await writer.write(new Uint8Array([3]));
    await writer.close();
    await reader.cancel();
    await child.status;
  },
});
