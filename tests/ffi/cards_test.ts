import assert from "node:assert/strict";
import { cards } from "../../ffi/cards.ts";
import { SysError } from "../../ffi/errors.ts";
import { sanitizer } from "./sanitizer.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
assert.throws(() => cards.setLimit(0, 0.5), SysError);
const hasCards = cards.count() > 0;

const code = (expected: string) => (error: unknown) => error instanceof SysError && error.code === expected;

Deno.test("graphics cards are none without their driver's library [needs a machine without one]", {
  ignore: Deno.build.os !== "linux" || hasCards,
}, () => {
  assert.equal(cards.count(), 0);
  assert.throws(() => cards.fact(0, "powerMilliwatts"), code("ENOENT"));
  assert.throws(() => cards.setLimit(0, 1000), code("ENOENT"));
  assert.throws(() => cards.setLimit(0, 0.5), code("EINVAL"));
});

Deno.test("graphics cards are read, and one is set, through the library of their driver", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-cards-" });
  try {
    const here = new URL(".", import.meta.url).pathname;
    const args = ["-shared", "-fPIC", "-o", `${directory}/libnvidia-ml.so.1`, `${here}graphics_cards.c`];
    assert((await new Deno.Command("gcc", { args }).output()).success);
    const env = { ...sanitizer, LD_LIBRARY_PATH: directory };
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "-q", "-A", `${here}graphics_cards.ts`], env }).output();
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
      list: [
        ["GPU-0000-0", 71250, 2 ** 40, 300000, 100000, 350000, null, 55, 1410],
        ["GPU-0000-1", 71251, null, 250000, 100000, 350000, null, 55, 1410],
      ],
      refusals: ["EPERM", "ENODEV", "EINVAL", "ENODEV"],
      limits: ["200000", "250000", null],
    });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
