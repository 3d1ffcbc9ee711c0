import assert from "node:assert/strict";
import { Beta, MersenneTwister } from "../../../lib/astro/random.ts";
import { randomVectors } from "../../../lib/astro/vectors.ts";

Deno.test("MersenneTwister gives the numbers of mt19937", () => {
  const random = new MersenneTwister(5489);
  assert.equal(random.next(), 3499211612);
  // The standard of C++ names the 10,000th.
  for (let i = 2; i < 10_000; i++) random.next();
  assert.equal(random.next(), 4123659995);
});

Deno.test("MersenneTwister.below() gives every number alike", () => {
  const random = new MersenneTwister(1);
  const counts = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, counts.join());
  assert.equal(new MersenneTwister(1).below(1), 0);
});

Deno.test("Beta has the mean and the variance of its shapes", () => {
  const [random, beta] = [new MersenneTwister(7), new Beta(3, 2)];
  const values = Array.from({ length: 100_000 }, () => beta.next(random));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean - 0.6) < 0.005 && Math.abs(variance - 0.04) < 0.001, `${mean} ${variance}`);
  assert.ok(values.every((value) => value > 0 && value < 1));
});

const compiler = ["g++", "c++"].find((name) => (Deno.env.get("PATH") ?? "").split(":").some((folder) => isFile(`${folder}/${name}`)));

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: `randomVectors() are those of <random> in C++${compiler ? "" : " [needs g++]"}`,
  ignore: compiler === undefined,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "nodeos-astro-" });
    try {
      const [source, program] = [new URL("./random.cpp", import.meta.url).pathname, `${directory}/random`];
      const built = await new Deno.Command(compiler!, { args: ["-O2", "-o", program, source] }).output();
      assert.ok(built.success, new TextDecoder().decode(built.stderr));
      for (const [seed, width, height] of [[123, 1024, 777], [4294967295, 1, 5000]]) {
        const { stdout } = await new Deno.Command(program, { args: [seed, width, height, 20_000].map(String) }).output();
        const lines = new TextDecoder().decode(stdout).trim().split("\n");
        const vectors = randomVectors(seed, { width, height });
        for (const line of lines) {
          const [x, y, xSlope, ySlope] = line.split(" ").map(Number);
          const ours = vectors.next().value;
          assert.deepEqual([ours.xIntercept, ours.yIntercept], [x, y]);
          // The logarithms of two libraries may differ in their last bit.
          assert.ok(Math.abs(ours.xSlope - xSlope) < 1e-12 && Math.abs(ours.ySlope - ySlope) < 1e-12, `${JSON.stringify(ours)} ${line}`);
        }
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
