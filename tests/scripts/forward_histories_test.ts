import assert from "node:assert/strict";
import { machineState } from "../host.ts";
import { cannotForward, noteOf, Workplace } from "./forward/host.ts";

const checkout = new URL("../../", import.meta.url).pathname;
const steps = 400;
/** Those that are multiples of 4 change the root directory, too. */
const seeds = [...Array.from({ length: 20 }, (_, index) => index + 1), ...crypto.getRandomValues(new Uint32Array(12))].map((seed) =>
  seed & 0x7fffffff
);

/** Each seed in an empty directory, of which nothing stays. */
const script = [
  'cd "$1"; program=$2; shift 2',
  'for seed; do mkdir -m 777 "$seed"; echo "seed $seed"; (cd "$seed" && "$program" "$seed" ' + steps +
  ') || echo "ended $?"; rm -rf "$seed"; done',
].join("\n");

const ways = ["@path=forward", "@path=forward,@fd=forward,@data=forward"];

function compile(work: Workplace): string {
  const output = `${work.path}/histories`;
  const files = ["", "_arguments", "_names", "_files", "_state"].map((part) => `${checkout}tests/traps/histories${part}.c`);
  const args = ["-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", output, ...files];
  const { success, stderr } = new Deno.Command("gcc", { args, stdin: "null", stdout: "null", stderr: "piped" }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return output;
}

/** What each seed printed. */
async function run(work: Workplace, program: string, way: string | null): Promise<ReadonlyMap<string, readonly string[]>> {
  const directory = work.directory(crypto.randomUUID());
  Deno.chmodSync(directory, 0o755);
  const command = ["sh", "-c", script, "sh", directory, program, ...seeds.map(String)];
  const argv = way === null
    ? command
    : [Deno.execPath(), "run", "-q", "-A", `${checkout}tests/suites/forwarded.ts`, `full,${way}`, "--", ...command];
  const { code, stdout, stderr } = await new Deno.Command(argv[0], { args: argv.slice(1), stdin: "null", stdout: "piped", stderr: "piped" })
    .output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const parts = new TextDecoder().decode(stdout).split(/^seed (\d+)\n/m).slice(1);
  return new Map(seeds.map((_, index) => [parts[2 * index], parts[2 * index + 1].split("\n")]));
}

Deno.test({
  name: `threads and processes with random histories of calls cannot tell that these are forwarded${noteOf(cannotForward)}`,
  ignore: cannotForward !== null,
  async fn(t) {
    const before = machineState();
    using work = new Workplace();
    const program = compile(work);
    const [native, again] = [await run(work, program, null), await run(work, program, null)];
    const isStable = (seed: string) => native.get(seed)!.join("\n") === again.get(seed)!.join("\n");
    const stable = [...native.keys()].filter(isStable);
    assert.ok(stable.length > seeds.length / 2, "natively the same seed prints the same");
    for (const way of ways) {
      const forwarded = await run(work, program, way);
      for (const seed of stable) {
        await t.step(`${way}: seed ${seed}`, () => {
          const expected = native.get(seed)!, found = forwarded.get(seed)!;
          const index = expected.findIndex((line, index) => line !== found[index]);
          // The first difference says most: what follows is its consequence.
          assert.equal(found[index], expected[index], `histories ${seed} ${steps}, line ${index + 1}`);
          assert.equal(found.length, expected.length);
          assert.ok(expected.length > steps);
        });
      }
    }
    assert.deepEqual(machineState(), before);
  },
});
