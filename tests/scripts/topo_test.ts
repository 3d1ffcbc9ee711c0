import assert from "node:assert/strict";
import type { Node } from "../../lib/container/node.ts";
import { emptyLedger } from "../../lib/plan/ledger.ts";
import { CapturedRoot } from "../../ffi/captured_root.ts";
import type { KernelFiles, KernelWriter } from "../../ffi/kernel_root.ts";
import type { Context } from "../../scripts/context.ts";
import type { TopoFlags } from "../../scripts/topo/command.ts";
import topo from "../../scripts/topo/run.ts";
import { machine } from "../machines/machine.ts";

interface Outcome {
  readonly printed: string;
  readonly said: string;
  readonly document?: Record<string, unknown>;
}

async function run(flags: Partial<TopoFlags>, files: KernelFiles = machine("xeon-2s")): Promise<Outcome> {
  const printed: string[] = [];
  const said: string[] = [];
  let document: Record<string, unknown> | undefined;
  const refuse = () => assert.fail("topo changes nothing");
  const kernel: KernelFiles & KernelWriter = Object.assign(Object.create(files), {
    write: refuse,
    makeDirectory: refuse,
    removeDirectory: refuse,
  });
  const context: Context = {
    process: { stdout: { write: refuse }, stderr: { write: refuse } },
    stateDirectory: "/nonexistent",
    kernel: () => Promise.resolve(kernel),
    node: () => Promise.resolve({ ledger: () => emptyLedger("test") } as Node),
    unrecoveredNode: refuse,
    print: (text) => printed.push(text),
    say: (text) => said.push(text),
    json: (value) => document = value,
  };
  await topo.call(context, { devices: false, irqs: false, json: false, ...flags });
  return { printed: printed.join("\n"), said: said.join("\n"), document };
}

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "nodeos-topo-" });
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const path = (name: string) => machine(name).base;

Deno.test("topo prints the machine as text", async () => {
  const { printed, said } = await run({});
  assert.match(printed, /^Intel\(R\) Xeon/);
  assert.match(printed, /^package 1$/m);
  assert.equal(said, "");
});

Deno.test("topo --input shows another machine, with or without a final slash", async () => {
  const { printed } = await run({ input: `${path("epyc-4n")}/` });
  assert.match(printed, /^AMD EPYC 7282/);
});

Deno.test("topo --input refuses a directory that is no machine", async () => {
  await assert.rejects(run({ input: path("xeon-2s") + "/proc" }), {
    name: "NoSuchObjectError",
    exitCode: 4,
    remedy: "Name a directory that nodeos topo --capture wrote",
  });
  await assert.rejects(run({ input: "/nonexistent" }), /^NoSuchObjectError: Cannot show the machine in \/nonexistent/);
});

Deno.test("topo --devices and --irqs add tables below the tree", async () => {
  const { printed } = await run({ devices: true, irqs: true });
  assert.match(printed, /^accelerator {2}0000:02:00.0 {5}- {2}0-31 +mgag200 +0000:02:00.0$/m);
  assert.match(printed, /^network +ib0 +0 {2}0-7,16-23 +mlx5_core +0000:3b:00.0$/m);
  assert.match(printed, /^ 25 +77 {2}31 +31 +nvme0q1$/m);
  assert.match(printed, /^RES +160 {2}Rescheduling interrupts$/m);
  assert.doesNotMatch(printed, /^NMI/m, "what never happened is left out");
});

Deno.test("topo --devices says when there is none", async () => {
  assert.match((await run({ devices: true, input: path("phi") })).printed, /no devices that nodeos knows$/);
});

Deno.test("topo --json gives the topology as data, devices and interrupts when they are asked for", async () => {
  const { printed, document } = await run({ json: true });
  assert.equal(printed, "");
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(document))), ["topology", "owners"]);
  const all = await run({ json: true, devices: true, irqs: true });
  assert.deepEqual(Object.keys(all.document ?? {}), ["topology", "owners", "devices", "irqs"]);
});

Deno.test("topo --svg - prints the picture and nothing else", async () => {
  const { printed, said } = await run({ svg: "-" });
  assert.match(printed, /^<svg [^]*<\/svg>$/);
  assert.equal(said, "");
});

Deno.test("topo --svg FILE writes the picture, says so and prints no tree", () =>
  inDirectory(async (directory) => {
    const { printed, said } = await run({ svg: `${directory}/x.svg`, input: path("holes") });
    assert.equal(printed, "");
    assert.equal(said, `Wrote the picture to ${directory}/x.svg`);
    assert.match(Deno.readTextFileSync(`${directory}/x.svg`), /<title>CPUs of holes<\/title>/);
  }));

Deno.test("topo --svg FILE says what to do when the file cannot be written", () =>
  inDirectory(async (directory) => {
    await assert.rejects(run({ svg: `${directory}/none/x.svg` }), {
      name: "RefusedError",
      message: /^Cannot write the picture to .*: ENOENT$/,
    });
    await assert.rejects(run({ svg: directory }), { name: "RefusedError", message: /: EISDIR$/ });
  }));

Deno.test({
  name: "topo --svg FILE names the way out when the command may not write there",
  permissions: { ffi: true, read: true, env: true, write: false },
  async fn() {
    await assert.rejects(run({ svg: "/tmp/nodeos-x.svg" }), {
      name: "RefusedError",
      remedy: "Write to standard output instead: --svg - > FILE",
    });
    await assert.rejects(run({ capture: "/tmp/nodeos-x" }), { name: "RefusedError", message: /no permission to write there$/ });
  },
});

Deno.test("topo --capture writes a machine that --input shows", () =>
  inDirectory(async (directory) => {
    const { said } = await run({ capture: `${directory}/new/` });
    assert.match(said, /^Wrote \d+ files and \d+ links, [\d.]+ KiB, to /);
    assert.equal((await run({ input: `${directory}/new` })).printed, (await run({})).printed);
    assert.ok(new CapturedRoot(`${directory}/new`).exists("/proc/cmdline"));
  }));

Deno.test("topo --capture --json reports what it wrote", () =>
  inDirectory(async (directory) => {
    const { document } = await run({ capture: directory, json: true });
    assert.deepEqual(Object.keys(document?.capture as object), ["directory", "fileCount", "linkCount", "contentBytes", "refusals"]);
  }));

Deno.test("topo --capture leaves a directory with files alone", async () => {
  await assert.rejects(run({ capture: path("holes") }), { name: "RefusedError", message: /it has files in it/ });
});

Deno.test("topo refuses flags that want standard output twice, or to capture and show", async () => {
  for (const flags of [{ svg: "-", json: true }, { svg: "-", irqs: true }, { capture: "x", svg: "y" }, { capture: "x", devices: true }]) {
    await assert.rejects(run(flags), { name: "UsageError", exitCode: 2 });
  }
});
