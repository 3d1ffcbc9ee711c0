import assert from "node:assert/strict";
import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { libraryPath } from "../../../../ffi/library.ts";
import { clockNs } from "../../../../ffi/mod.ts";
import { ProgramRuntime } from "../../../../lib/power/governor/program.ts";
import { checkout } from "../../../host.ts";

const kernel = new KernelRoot();
// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
kernel.exists("/proc/self");
const lack = missing("mpirun") ?? missing("mpicc") ?? missingHeader();
const name = "a program of MPI and OpenMP follows by the header, divides its work as its cores are, and is right";

function missing(tool: string): string | null {
  const { success } = new Deno.Command("sh", { args: ["-c", `command -v ${tool}`], stdout: "null" }).outputSync();
  return success ? null : `needs ${tool} (Debian: openmpi-bin, libopenmpi-dev)`;
}

function missingHeader(): string | null {
  const args = ["-c", "echo '#include <mpi.h>' | mpicc -fopenmp -E -x c -"];
  return new Deno.Command("sh", { args, stdout: "null", stderr: "null" }).outputSync().success
    ? null
    : "needs mpi.h (Debian: libopenmpi-dev)";
}

Deno.test({ name: lack === null ? name : `${name} [${lack}]`, ignore: lack !== null }, async () => {
  const directory = Deno.makeTempDirSync();
  const libraries = libraryPath().replace(/\/[^/]*$/, "");
  const runtimes = `${checkout}ffi/runtime`;
  const out = `${directory}/cores_mpi`;
  const compiled = new Deno.Command("mpicc", {
    args: [
      "-fopenmp",
      "-O1",
      `-I${runtimes}`,
      `${runtimes}/examples/cores_mpi.c`,
      "-o",
      out,
      `-L${libraries}`,
      "-lnodeos-rt",
      `-Wl,-rpath,${libraries}`,
    ],
    stderr: "piped",
  }).outputSync();
  assert.ok(compiled.success, new TextDecoder().decode(compiled.stderr));
  using runtime = ProgramRuntime.create({ kernel, coresMax: 8, coresMin: 2 });
  const root = Deno.uid() === 0 ? ["--allow-run-as-root"] : [];
  const child = new Deno.Command("mpirun", {
    args: [...root, "--oversubscribe", "-n", "2", "-x", "NODEOS_CORES", out, "1000000"],
    env: { ...runtime.env, OMP_NUM_THREADS: "4", OMP_WAIT_POLICY: "passive", TMPDIR: directory },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let rest = "";
    let news = runtime.poll();
    let beats = 0;
    const until = async (cores: number, request: number) => {
      for (let tries = 0; tries < 2000; tries++) {
        const { value = "", done } = await lines.read();
        assert.ok(!done, "it runs on");
        const whole = (rest + value).split("\n");
        rest = whole.pop()!;
        news = runtime.poll();
        beats += news.heartbeatSeconds.length;
        for (const line of whole) assert.match(line, /^\d+ \d+ 3\.14159265/);
        if (whole.at(-1)?.split(" ")[1] === `${cores}` && (request === 0 || news.answer?.request === request)) return;
      }
      assert.fail(`it does not use ${cores} cores`);
    };
    await until(8, 0);
    for (const [index, wantedCores] of [5, 8, 3].entries()) {
      runtime.ask({ request: index + 1, wantedCores });
      await until(wantedCores, index + 1);
      assert.deepEqual(news.answer, { request: index + 1, activeCores: wantedCores });
    }
    assert.ok(beats > 3);
  } finally {
    child.kill("SIGTERM");
    await lines.cancel();
    await child.status;
    Deno.removeSync(directory, { recursive: true });
  }
});
