import assert from "node:assert/strict";
import { cannotIsolate, checkout, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

async function putBack(): Promise<string> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "-q", "-A", `${checkout}tests/leftovers.ts`] }).output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: `what a killed test left is put back before the next run, and nothing of one that runs${isolationNote}`,
  ignore: cannotIsolate !== null,
  async fn() {
    const before = machineState();
    const test = `
      import { TestState } from "${checkout}tests/host.ts";
      const state = new TestState();
      const { code, stderr } = await state.nodeos(["up", "-"], "apiVersion: nodeos/v1\\ncontainers: [{ name: left, cpus: ${lastCpu} }]");
      if (code !== 0) throw new Error(stderr);
      console.log(state.directory);
      await new Promise((resolve) => setTimeout(resolve, 600_000));`;
    await using own = new TestState();
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-A", "--config", `${checkout}deno.json`, own.file("test.ts", test)],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let directory;
    try {
      directory = (await reader.read()).value?.trim();
      assert.ok(directory, "it ended before its container was there");
      const during = machineState();
      assert.notDeepEqual(during, before);
      assert.doesNotMatch(await putBack(), new RegExp(directory));
      assert.deepEqual(machineState(), during);
    } finally {
      try {
        child.kill("SIGKILL");
      } catch { /* it was faster */ }
      await child.status;
      await reader.cancel();
    }
    assert.match(await putBack(), new RegExp(`^tests: put back what a killed run left in ${directory}$`, "m"));
    assert.deepEqual(machineState(), before);
    assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
    assert.ok(Deno.statSync(own.directory).isDirectory);
  },
});
