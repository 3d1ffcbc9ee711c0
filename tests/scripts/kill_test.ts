import assert from "node:assert/strict";
import { affinities, cannotIsolate, changedAffinities, isolationNote, lastCpu, machineState, TestState } from "../host.ts";

/** Moments at which a command is killed; spread over a little more than the time that it takes. */
const moments = 100;

const spec = `apiVersion: nodeos/v1
service: { cpus: ${lastCpu - 1} }
containers:
  - name: killed
    cpus: ${lastCpu}
    memory: { limit: 256MiB }
    pids: 100
`;

Deno.test({
  name: `kill -9 of nodeos up at ${moments} random moments leaves nothing that the next command does not put back${isolationNote}`,
  ignore: cannotIsolate !== null,
  async fn() {
    await using state = new TestState();
    const file = state.file("spec.yaml", spec);
    const before = machineState();
    const affinitiesBefore = affinities();

    const from = performance.now();
    assert.equal((await state.nodeos(["up", file])).code, 0);
    // The machine has neighbours: the span follows how long a command takes now, so that most are killed in time.
    let spanMs = performance.now() - from;
    assert.equal((await state.nodeos(["down", "--all"])).code, 0);

    let killed = 0;
    let kept = 0;
    for (let moment = 0; moment < moments; moment++) {
      const child = state.spawn("up", file);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * spanMs));
      try {
        child.kill("SIGKILL");
      } catch { /* it was faster */ }
      const { signal, code } = await child.output();
      if (signal === "SIGKILL") killed++;
      spanMs *= signal === "SIGKILL" ? 1.02 : 0.93;
      // Either it was killed before it was done, and there is nothing; or it was done, and all of it is there.
      const { stdout } = await state.nodeos(["ps", "--json"]);
      const names = JSON.parse(stdout).containers.map(({ name }: { name: string }) => name);
      if (names.length > 0) {
        assert.deepEqual(names, ["service", "killed"]);
        kept++;
        assert.equal((await state.nodeos(["down", "--all"])).code, 0);
      } else {
        assert.notEqual(code, 0);
      }
      assert.deepEqual(machineState(), before, `moment ${moment}`);
    }
    assert.ok(killed > moments / 2, `only ${killed} were killed in time`);
    assert.ok(kept < moments, "every one was done before it was killed");
    assert.deepEqual(changedAffinities(affinitiesBefore, affinities()), []);
  },
});

Deno.test({
  name: `kill -9 of nodeos run ends its program and the next command puts the machine back${isolationNote}`,
  ignore: cannotIsolate !== null,
  async fn() {
    await using state = new TestState();
    const before = machineState();
    for (let time = 0; time < 10; time++) {
      const child = state.spawn("run", "--", "sh", "-c", "sleep 1000 & echo $$ $!; wait");
      const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const [shell, sleeper] = ((await reader.read()).value ?? "").trim().split(" ").map(Number);
      child.kill("SIGKILL");
      await reader.cancel();
      await child.stderr.cancel();
      await child.status;
      const { stderr } = await state.nodeos(["ps"]);
      assert.match(stderr, /put back what the dead command of run-\d+ had changed/);
      assert.deepEqual(machineState(), before);
      for (const pid of [shell, sleeper]) assert.ok(isGone(pid), `process ${pid} is left over`);
    }
  },
});

function isGone(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}
