import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import { planRequest } from "../../../lib/container/planning.ts";
import { SpecError } from "../../../lib/container/spec.ts";
import { parseSpec } from "../../../lib/container/spec_file.ts";
import { NodeosError, UsageError } from "../../../lib/errors.ts";
import { nodeFeatures } from "../../../lib/feature/node_features.ts";
import { emptyLedger } from "../../../lib/plan/ledger.ts";
import { exitCodeOf, formatError } from "../../../scripts/failure.ts";
import { relocate } from "../../../scripts/relocate.ts";
import { captured } from "../../captured.ts";
import { v1, v1RealTimeGroups, v2, v2New } from "../../small_machines.ts";
import { World } from "../plan/world.ts";
import { damages, goodSpecs, richSpecs, textDamages, type Value } from "./spec_cases.ts";

/** The ways in which a document becomes text: block style, flow style, JSON. */
const styles: fc.Arbitrary<(document: Value) => string> = fc.constantFrom(
  (document) => stringify(document),
  (document) => stringify(document, { collectionStyle: "flow" }),
  (document) => JSON.stringify(document),
  (document) => stringify(document, { indent: 6, defaultStringType: "QUOTE_DOUBLE" }),
);
const blockStyle = (document: Value) => stringify(document);

/** Does with a text what `nodeos up` does, on a machine in memory; the machine stays as it is when the text is bad. */
async function up(text: string): Promise<void> {
  using world = new World({ version: 2, cpuCount: 8, nodeCount: 2, exclusiveCpus: true });
  world.kernel.files.set("/proc/meminfo", "MemTotal:        8388608 kB");
  for (const node of [0, 1]) {
    world.kernel.files.set(`/sys/devices/system/node/node${node}/meminfo`, `Node ${node} MemTotal:        4194304 kB`);
  }
  const before = world.state();
  try {
    const { request, locate } = parseSpec(text, "spec.yaml");
    await relocate(locate, () => world.node().up(request, "persistent"));
  } catch (error) {
    assert.equal(world.kernel.changeCount, 0, "nothing was even tried");
    assert.deepEqual(world.state(), before);
    throw error;
  }
}

/** What an error has to be, whatever was wrong. */
function assertGoodError(error: unknown): void {
  if (!(error instanceof SpecError || error instanceof UsageError)) throw error;
  assert.ok(error instanceof NodeosError && [1, 2].includes(exitCodeOf(error)));
  const text = formatError(error);
  const lines = text.split("\n");
  assert.ok(lines.length <= 24, text);
  assert.ok(lines.every((line) => line.length <= 400), text);
  assert.match(text, /^Cannot (use this specification:|read spec\.yaml:\d+:\d+: )/);
  assert.match(text, /spec\.yaml:[1-9]\d*:[1-9]\d*: \S/);
  assert.doesNotMatch(text, /undefined|\[object|function|should not have/);
  // No text of a file may reach the terminal as a command.
  assert.doesNotMatch(text, /(?!\n)\p{Cc}/u);
}

async function assertRefused(text: string): Promise<void> {
  await assert.rejects(up(text), (error) => {
    assertGoodError(error);
    return true;
  }, `accepted:\n${text}`);
}

Deno.test("500 bad specifications, each bad for a reason we know, are refused with a place, on one screen, and change nothing", async () => {
  await fc.assert(
    fc.asyncProperty(goodSpecs, fc.constantFrom(...damages), fc.nat(), styles, async ({ document }, [, damage], pick, style) => {
      const copy = structuredClone(document);
      damage(copy, pick);
      await assertRefused(style(copy));
    }),
    { numRuns: 500 },
  );
});

for (const [name, damage] of damages) {
  Deno.test(`nodeos up refuses ${name}`, async () => {
    const [{ document }] = fc.sample(goodSpecs, { numRuns: 1, seed: 1 });
    for (let pick = 0; pick < 24; pick++) {
      const copy = structuredClone(document);
      damage(copy, pick);
      await assertRefused(blockStyle(copy));
    }
  });
}

Deno.test("200 texts that are no YAML, or not one we take, are refused likewise", async () => {
  await fc.assert(
    fc.asyncProperty(goodSpecs, fc.constantFrom(...textDamages), fc.nat(), async ({ document }, [, damage], pick) => {
      await assertRefused(damage(blockStyle(document), pick));
    }),
    { numRuns: 200 },
  );
});

Deno.test("300 texts of garbage are refused likewise", async () => {
  const letters = fc.string({
    unit: fc.constantFrom(..."ab1 \n\t:-?[]{},&*!|>'\"%@`#~<=.\\/", "\r\n", "  - ", ": ", "---", "é", "\u{1f600}"),
    maxLength: 60,
  });
  await fc.assert(fc.asyncProperty(fc.oneof(letters, fc.string({ unit: "binary" }), fc.json()), assertRefused), { numRuns: 300 });
});

Deno.test("500 specifications with some characters changed are taken, or refused likewise", async () => {
  const edits = fc.array(
    fc.tuple(fc.nat(), fc.nat(4), fc.string({ unit: fc.constantFrom(..."\n\t :-[]{},&*!|>'\"%@`#~0a"), maxLength: 3 })),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(goodSpecs, edits, styles, async ({ document }, edits, style) => {
      let text = style(document);
      for (const [at, length, inserted] of edits) text = text.slice(0, at % text.length) + inserted + text.slice(at % text.length + length);
      try {
        await up(text);
      } catch (error) {
        assertGoodError(error);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("300 good specifications become the request that they say, in every style of YAML", () => {
  fc.assert(
    fc.property(richSpecs, styles, ({ document, request }, style) => {
      assert.deepEqual(parseSpec(style(document), "spec.yaml").request, request);
    }),
    { numRuns: 300 },
  );
});

Deno.test("100 good specifications come up on a machine in memory: what is refused above is refused for its damage", async () => {
  await fc.assert(fc.asyncProperty(goodSpecs, styles, async ({ document }, style) => await up(style(document))), { numRuns: 100 });
});

const machines = { "Linux 6.1": v2, "Linux 6.7 and later": v2New, "version 1": v1, "version 1 with real-time groups": v1RealTimeGroups };

for (const [name, files] of Object.entries(machines)) {
  Deno.test(`100 good specifications are planned on ${name} as they say`, () => {
    // Version 1 has one scheduling domain as long as its root balances, and refuses deadlines there.
    using machine = captured({
      ...files,
      ...(name.startsWith("version 1") ? { "/sys/fs/cgroup/cpuset/cpuset.sched_load_balance": "0\n" } : {}),
    });
    fc.assert(
      fc.property(goodSpecs, ({ request }) => {
        const plans = planRequest(machine, emptyLedger("boot"), request).flatMap(({ spec, steps }) =>
          spec?.role === "compute" ? [{ spec, steps }] : []
        );
        assert.equal(plans.length, request.containers.length);
        const seen = new Set<number>();
        plans.forEach(({ spec, steps }, index) => {
          const wanted = request.containers[index];
          assert.equal(spec.name, wanted.name);
          assert.equal(spec.cpus.length, wanted.cpus?.length ?? wanted.cpuCount);
          if (wanted.cpus) assert.deepEqual(spec.cpus, wanted.cpus);
          assert.ok(spec.cpus.every((cpu) => cpu !== 0 && !seen.has(cpu)));
          for (const cpu of spec.cpus) seen.add(cpu);
          const value = (file: string) => steps.find(({ what }) => what.endsWith(`/nodeos-${spec.name}/${file}`))?.to;
          assert.equal(value("cpuset.mems"), (wanted.nodes ?? [0, 1]).length === 2 ? "0-1" : `${wanted.nodes![0]}`);
          assert.equal(value("pids.max"), wanted.pidsMax?.toString());
          const limit = value("memory.max") ?? value("memory.limit_in_bytes");
          assert.equal(limit === undefined, wanted.memoryBytes === undefined);
          if (limit !== undefined) assert.ok(wanted.memoryBytes! - Number(limit) < 65536 && Number(limit) <= wanted.memoryBytes!);
          assert.equal(
            steps.some(({ what }) => what.endsWith("/sched_rt_runtime_us")),
            wanted.scheduling?.policy === "cooperative" && wanted.scheduling.throttle === "lift",
          );
          assert.equal(spec.swap, wanted.swap ?? "on");
          assert.deepEqual(spec.quiet, nodeFeatures.map(({ name }) => name).filter((name) => wanted.quiet![name]));
        });
      }),
      { numRuns: 100 },
    );
  });
}
