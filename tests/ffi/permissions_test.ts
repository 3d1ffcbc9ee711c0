import assert from "node:assert/strict";
import { checkout, denoProcess } from "./programs.ts";

const library = `${checkout}build/libnodeos.so`;

async function outputOf(script: string, ...permissions: string[]): Promise<{ code: number; out: string; err: string }> {
  // The variable would need a permission of its own: without it, the library of the checkout is taken.
  const { code, stdout, stderr } = await denoProcess(script, {}, permissions).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

const script = `
  const { KernelRoot } = await import("file://${checkout}ffi/kernel_root.ts");
  const kernel = new KernelRoot();
  console.log(JSON.stringify([kernel.read("/proc/version"), kernel.list("/proc/self").length > 10, kernel.exists("/sys")]));`;

Deno.test("KernelRoot needs the permission for the library and no other", async () => {
  const { code, out, err } = await outputOf(script, `--allow-ffi=${library}`);
  assert.equal(err, "");
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), [Deno.readTextFileSync("/proc/version"), true, true]);
});

Deno.test("KernelRoot cannot be used without that permission, nor with that for another library", async () => {
  for (const permissions of [[], ["--allow-ffi=/lib/libc.so.6"], ["--allow-read"]]) {
    const { code, out, err } = await outputOf(script, ...permissions);
    assert.notEqual(code, 0);
    assert.equal(out, "");
    assert.match(err, /NotCapable: Requires ffi access/);
  }
});

Deno.test("the permission for the library does not let Deno itself read what KernelRoot reads", async () => {
  const { err } = await outputOf('console.log(Deno.readTextFileSync("/proc/version"))', `--allow-ffi=${library}`);
  assert.match(err, /NotCapable: Requires (?:all|read) access/);
});

Deno.test("the permission for the library does not lead to files that are none of the kernel's", async () => {
  const { err } = await outputOf(
    `
    const { KernelRoot } = await import("file://${checkout}ffi/kernel_root.ts");
    new KernelRoot().read("/etc/passwd");`,
    `--allow-ffi=${library}`,
  );
  assert.match(err, /SysError: Cannot read \/etc\/passwd: EACCES/);
});
