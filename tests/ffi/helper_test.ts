import assert from "node:assert/strict";
import { getAffinity } from "../../ffi/task.ts";
import { decodeNoise } from "../../lib/noise/sample.ts";
import { helperPath } from "../../lib/noise/measure.ts";

const cpu = getAffinity(0).at(-1)!;

async function helper(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(helperPath(), { args }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

Deno.test("nodeos-helper explains itself", async () => {
  for (const args of [["--help"], ["noise", "--help"], ["solve", "-h"], ["load", "--help"]]) {
    const { code, out, err } = await helper(...args);
    assert.equal(code, 0);
    assert.match(out, /^usage: nodeos-helper /);
    assert.equal(err, "");
  }
});

for (
  const [args, words] of [
    [[], /^usage: /],
    [["bogus"], /Cannot run bogus: the commands are/],
    [["solve", "--threads"], /--threads: it needs a value/],
    [["solve", "--threads", "0"], /Cannot use --threads 0: it is a number from 1 to 1024/],
    [["solve", "--threads", "2x"], /Cannot use --threads 2x/],
    [["solve", "--size", "1e9"], /it is a number from 8 to 8192/],
    [["solve", "--thread", "2"], /no such option/],
    [["solve", "2"], /options only/],
    [["load", "--seconds", "nan"], /Cannot use --seconds nan/],
    [["load", "--seconds="], /Cannot use --seconds : /],
    [["noise"], /--cpu and --out are needed/],
    [["noise", "--cpu", "0", "--out", "x", "--mode", "q"], /the modes are fwq and detour/],
    [["noise", "--cpu", "4096", "--out", "x"], /from 0 to 4095/],
  ] as [string[], RegExp][]
) {
  Deno.test(`nodeos-helper refuses "${args.join(" ")}" with status 2`, async () => {
    const { code, out, err } = await helper(...args);
    assert.equal(code, 2);
    assert.match(err, words);
    assert.equal(out, "");
  });
}

Deno.test("nodeos-helper noise refuses a CPU that it may not use", async () => {
  const { code, err } = await helper("noise", "--cpu", "4095", "--out", "/nonexistent/x");
  assert.equal(code, 1);
  assert.match(err, /Cannot sample CPU 4095: this process may not run there/);
});

Deno.test("nodeos-helper noise writes a new file, and none over another", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const out = `${directory}/samples`;
    const args = ["noise", `--cpu=${cpu}`, "--seconds=0.01", "--mode=fwq", `--out=${out}`];
    assert.equal((await helper(...args)).code, 0);
    const file = await Deno.readFile(out);
    assert.ok(decodeNoise(file).lengthsNs.length > 0);
    const { code, err } = await helper(...args);
    assert.equal(code, 1);
    assert.match(err, /Cannot write .*: File exists/);
    assert.deepEqual(await Deno.readFile(out), file);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("nodeos-helper solve finds the same solution in every run, with any number of threads", async () => {
  const solve = async (threads: number) => {
    const { code, out } = await helper("solve", `--threads=${threads}`, "--size=40", "--iterations=500");
    assert.equal(code, 0);
    const values = Object.fromEntries(out.trim().split(" ").map((pair) => pair.split("=")));
    assert.deepEqual(Object.keys(values), [
      "seconds",
      "iterationsPerSecond",
      "worstIterationSeconds",
      "residual",
      "iterations",
      "threads",
      "size",
    ]);
    assert.ok(Number(values.residual) < 1e-9, `residual ${values.residual}`);
    assert.ok(Number(values.seconds) > 0 && Number(values.worstIterationSeconds) <= Number(values.seconds));
    return [values.residual, values.iterations];
  };
  assert.deepEqual(await solve(2), await solve(2));
  await solve(1);
  await solve(3);
});

Deno.test("nodeos-helper solve ends after its iterations and shows that it had not converged", async () => {
  const { out } = await helper("solve", "--threads=1", "--size=64", "--iterations=5");
  assert.match(out, / iterations=5 /);
  assert.ok(Number(/residual=(\S+)/.exec(out)?.[1]) > 0.1);
});

Deno.test("nodeos-helper load ends when its time is over", async () => {
  const { code } = await helper("load", "--threads=2", "--seconds=0.05");
  assert.equal(code, 0);
});

Deno.test("nodeos-helper load ends at SIGTERM", async () => {
  const load = new Deno.Command(helperPath(), { args: ["load", "--threads=2", "--seconds=60"] }).spawn();
  // It has set up its handler once it has started its second thread.
  while ([...Deno.readDirSync(`/proc/${load.pid}/task`)].length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  load.kill("SIGTERM");
  assert.equal((await load.status).code, 0);
});
