import assert from "node:assert/strict";
import plugin from "../../scripts/lint/plugin.ts";
import { lacksUnit } from "../../scripts/lint/unit_in_name.ts";

/** Messages of one rule about a file that would lie at `place`. */
function complaints(rule: string, place: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, place, source).filter(({ id }) => id === `nodeos/${rule}`).map(({ message }) => message);
}

function refused(rule: string, place: string, source: string, message: RegExp): void {
  const found = complaints(rule, place, source);
  assert.equal(found.length, 1, `${place} with ${source}: ${found.length} complaints: ${found.join("; ")}`);
  assert.match(found[0], message);
}

function accepted(rule: string, place: string, source: string): void {
  assert.deepEqual(complaints(rule, place, source), [], `${place} with ${source}`);
}

const root = new URL("../../", import.meta.url).pathname;

Deno.test("every rule complains with a hint", () => {
  const samples = {
    "ffi-only-in-ffi": `Deno.dlopen("x", {});`,
    "imports-run-down": `import "../container/run.ts";`,
    "change-only-by-steps": `files.makeDirectory(path);`,
    "unit-in-name": `export interface A { memory: number }`,
    "no-npm-on-start-up": `import { z } from "zod";`,
    "no-output-over-device": `run("gcc a.c -${"o"} /dev/null");`,
  };
  assert.deepEqual(Object.keys(samples), Object.keys(plugin.rules));
  for (const [rule, source] of Object.entries(samples)) {
    const [found, ...more] = Deno.lint.runPlugin(plugin, "lib/feature/irqs.ts", source);
    assert.equal(found?.id, `nodeos/${rule}`);
    assert.ok(found.hint, `${rule} has no hint`);
    assert.deepEqual(more, []);
  }
});

Deno.test("rules know a file by its absolute path too, and refuse one outside the repository", () => {
  const source = `Deno.dlopen("x", {});`;
  refused("ffi-only-in-ffi", `${root}lib/kernel/irq.ts`, source, /lib\/kernel\/irq\.ts/);
  accepted("ffi-only-in-ffi", `${root}ffi/mod.ts`, source);
  assert.throws(() => complaints("ffi-only-in-ffi", "/elsewhere/ffi/mod.ts", source), /Cannot lint \/elsewhere\/ffi\/mod\.ts/);
});

Deno.test("ffi-only-in-ffi finds dlopen and pointers however they are written", () => {
  for (
    const source of [
      `Deno.dlopen("x", {});`,
      `Deno?.dlopen("x", {});`,
      `Deno["dlopen"]("x", {});`,
      "Deno[`dlopen`]('x', {});",
      `globalThis.Deno.dlopen("x", {});`,
      `const { dlopen } = Deno;`,
      `const { dlopen: open } = globalThis.Deno;`,
      `Deno.UnsafePointer.of(buffer);`,
      `new Deno.UnsafePointerView(pointer);`,
      `new Deno.UnsafeCallback({ parameters: [], result: "void" }, f);`,
      `new Deno.UnsafeFnPointer(pointer, { parameters: [], result: "void" });`,
      `let view: Deno.UnsafePointerView;`,
    ]
  ) {
    refused("ffi-only-in-ffi", "lib/kernel/cgroup.ts", source, /Deno\.(?:dlopen|Unsafe\w+) belongs in ffi\//);
    refused("ffi-only-in-ffi", "scripts/run/run.ts", source, /scripts\/run\/run\.ts/);
    accepted("ffi-only-in-ffi", "ffi/mod.ts", source);
    accepted("ffi-only-in-ffi", "tests/ffi/mod_test.ts", source);
  }
  refused("ffi-only-in-ffi", "lib/kernel/cgroup.ts", `Deno[name]();`, /computed member/);
  refused(
    "ffi-only-in-ffi",
    "lib/kernel/cgroup.ts",
    `import { lazyLibrary as open } from "../../ffi/library.ts";`,
    /lazyLibrary belongs in ffi/,
  );
  accepted("ffi-only-in-ffi", "lib/kernel/cgroup.ts", `import { libraryPath } from "../../ffi/library.ts";`);
});

Deno.test("ffi-only-in-ffi leaves the rest of Deno, and others' dlopen, alone", () => {
  for (
    const source of [
      `Deno.readTextFileSync("x");`,
      `library.dlopen("x");`,
      `const { args, ...rest } = Deno;`,
      `const { dlopen } = library;`,
    ]
  ) {
    accepted("ffi-only-in-ffi", "lib/kernel/cgroup.ts", source);
  }
});

Deno.test("imports-run-down accepts the arrows of the design", () => {
  for (
    const [place, specifier] of [
      ["scripts/run/run.ts", "../../lib/container/run.ts"],
      ["scripts/run/run.ts", "../../lib/report/table.ts"],
      ["scripts/run/run.ts", "../context.ts"],
      ["scripts/run/run.ts", "./flags.ts"],
      ["scripts/nodeos.ts", "./app.ts"],
      ["scripts/app.ts", "./run/command.ts"],
      ["scripts/build.ts", "../ffi/library.ts"],
      ["lib/node/api.ts", "../container/run.ts"],
      ["lib/enclave/manager.ts", "../report/html.ts"],
      ["lib/container/run.ts", "../feature/irqs.ts"],
      ["lib/container/run.ts", "../../ffi/mod.ts"],
      ["lib/sidecar/app.ts", "../paging/region.ts"],
      ["lib/feature/irqs.ts", "../plan/step.ts"],
      ["lib/feature/irqs.ts", "./cpus.ts"],
      ["lib/plan/apply.ts", "../kernel/cgroup.ts"],
      ["lib/kernel/doctor/cgroup.ts", "../cgroup.ts"],
      ["lib/kernel/cgroup.ts", "../../ffi/kernel_root.ts"],
      ["lib/kernel/cgroup.ts", "../errors.ts"],
      ["lib/report/table.ts", "../kernel/cpulist.ts"],
      ["lib/report/html.ts", "./svg.ts"],
      ["lib/kernel/cgroup.ts", "yaml"],
      ["lib/kernel/cgroup.ts", "npm:zod"],
      ["ffi/mod.ts", "./library.ts"],
      ["tests/lib/plan/apply_test.ts", "../../../scripts/app.ts"],
    ]
  ) accepted("imports-run-down", place, `import { a } from "${specifier}";`);
});

Deno.test("imports-run-down refuses upward, sideways and unknown imports, and names both sides", () => {
  for (
    const [place, specifier, message] of [
      ["lib/plan/apply.ts", "../container/run.ts", /lib\/plan may not import lib\/container: imports run down/],
      ["lib/feature/irqs.ts", "../noise/sample.ts", /lib\/feature may not import lib\/noise: they are on one level/],
      ["lib/container/run.ts", "../sidecar/app.ts", /one level/],
      ["lib/node/api.ts", "../enclave/manager.ts", /one level/],
      ["lib/kernel/cgroup.ts", "../../scripts/context.ts", /lib\/kernel may not import scripts/],
      ["lib/kernel/cgroup.ts", "../../mod.ts", /outside lib\/, ffi\/ and scripts\//],
      ["lib/kernel/cgroup.ts", "../../tests/helper.ts", /outside/],
      ["lib/kernel/cgroup.ts", "../../../elsewhere/a.ts", /outside/],
      ["ffi/mod.ts", "../lib/errors.ts", /ffi may not import lib\/errors\.ts/],
      ["ffi/mod.ts", "../lib/kernel/cpulist.ts", /ffi may not import lib\/kernel/],
      ["lib/errors.ts", "./kernel/cpulist.ts", /everything imports lib\/errors\.ts/],
      ["lib/kernel/cpulist.ts", "../errors.ts", /everything imports/],
      ["lib/kernel/cpulist.ts", "./cgroup.ts", /everything imports/],
      ["lib/container/run.ts", "../report/table.ts", /may not import lib\/report, which scripts, lib\/node, lib\/enclave may/],
      ["lib/report/html.ts", "../noise/sample.ts", /renderers take plain data/],
      ["lib/report/html.ts", "../../ffi/mod.ts", /renderers take plain data/],
      ["lib/invention/a.ts", "../kernel/cgroup.ts", /lib\/invention has no level/],
      ["lib/kernel/cgroup.ts", "../util.ts", /lib\/util\.ts has no level/],
      ["scripts/run/run.ts", "../exec/run.ts", /scripts\/run may not import scripts\/exec/],
      ["scripts/run/run.ts", "../../mod.ts", /outside/],
      ["scripts/app.ts", "./run/run.ts", /only scripts\/nodeos\.ts and scripts\/app\.ts know the commands/],
      ["scripts/build.ts", "./run/command.ts", /only scripts\/nodeos\.ts and scripts\/app\.ts know the commands/],
      ["mod.ts", "./scripts/app.ts", /mod\.ts may not import scripts\/app\.ts/],
    ] as const
  ) refused("imports-run-down", place, `import { a } from "${specifier}";`, message);
});

Deno.test("imports-run-down sees every form of import", () => {
  for (
    const source of [
      `import "../container/run.ts";`,
      `import type { A } from "../container/run.ts";`,
      `import { type A } from "../container/run.ts";`,
      `export * from "../container/run.ts";`,
      `export { a } from "../container/run.ts";`,
      `export type { A } from "../container/run.ts";`,
      `const a = await import("../container/run.ts");`,
      "const a = await import(`../container/run.ts`);",
      `type A = import("../container/run.ts").A;`,
    ]
  ) refused("imports-run-down", "lib/plan/apply.ts", source, /lib\/container/);
});

Deno.test("imports-run-down keeps mod.ts a list of re-exports", () => {
  accepted(
    "imports-run-down",
    "mod.ts",
    `/** @module */ export { a } from "./lib/errors.ts"; export * from "./ffi/errors.ts"; import { b } from "./lib/b.ts"; export { b };`,
  );
  for (const source of [`export const a = 1;`, `console.log(1);`, `export default {};`, `export function f() {}`]) {
    refused("imports-run-down", "mod.ts", source, /re-exports only/);
  }
});

Deno.test("change-only-by-steps keeps what writes in lib/plan and ffi", () => {
  for (
    const source of [
      `import { getAffinity, setAffinity } from "../../ffi/task.ts";`,
      `import { setScheduling as set } from "../../ffi/task.ts";`,
      `export { setAffinity } from "../../ffi/task.ts";`,
      `task.setAffinity(0, [1]);`,
      `const { setScheduling } = await import("../../ffi/task.ts");`,
      `files.makeDirectory(path);`,
      `this.#whatever.removeDirectory(path);`,
      `kernel.write(path, "1");`,
      `this.#kernel.write(path, "1");`,
      `context.kernelRoot?.write(path, "1");`,
      `(await this.kernel()).write(path, "1");`,
      `new KernelRoot().write("/sys/x", "1");`,
      `(files as KernelWriter).write(path, "1");`,
      `writer!.write(path, "1");`,
      `kernel.memory.mount(path, "tmpfs", "");`,
      `kernel.memory?.populate(path, request);`,
      `memory.remove(path);`,
    ]
  ) {
    refused("change-only-by-steps", "lib/feature/irqs.ts", source, /outside lib\/plan\/ and ffi\//);
    refused("change-only-by-steps", "scripts/run/run.ts", source, /outside lib\/plan\/ and ffi\//);
    accepted("change-only-by-steps", "lib/plan/apply.ts", source);
    accepted("change-only-by-steps", "ffi/kernel_root.ts", source);
    accepted("change-only-by-steps", "tests/ffi/kernel_root_test.ts", source);
  }
});

Deno.test("change-only-by-steps leaves writing to other things alone", () => {
  for (
    const source of [
      `stdout.write(text);`,
      `kernel.memory.file(path);`,
      `listeners.remove(path);`,
      `files.read(path);`,
      `import { getAffinity } from "../../ffi/task.ts";`,
      `import { setAffinity } from "./dialog.ts";`,
      `export { setAffinity };`,
      `journal.write(entry, "1");`,
      `writer.write(chunk);`,
      `write(path, "1");`,
      `Deno.writeTextFileSync("/run/nodeos/state", text);`,
      "Deno.writeTextFileSync(`${directory}/sys/kernel`, text);",
      `Deno.mkdirSync("/system");`,
      `Deno.writeFileSync("/dev/null", data);`,
      `Deno.removeSync("/dev/shm/nodeos-test");`,
      `Deno.readTextFileSync("/proc/self/stat");`,
    ]
  ) accepted("change-only-by-steps", "lib/feature/irqs.ts", source);
});

Deno.test("change-only-by-steps finds Deno's own writes to kernel files everywhere", () => {
  for (
    const source of [
      `Deno.writeTextFileSync("/proc/sys/vm/swappiness", "0");`,
      `await Deno.writeTextFile("/sys/fs/cgroup/a/cgroup.procs", "0");`,
      "Deno.writeFileSync(`/proc/irq/${irq}/smp_affinity`, mask);",
      `Deno.mkdirSync("/sys/fs/cgroup/" + name);`,
      `Deno.removeSync("/dev/cpuset/a");`,
      `Deno.renameSync(a, "/sys/fs/cgroup/a");`,
      `Deno["mkdir"]("/sys");`,
    ]
  ) {
    for (const place of ["lib/feature/irqs.ts", "lib/plan/apply.ts", "ffi/kernel_root.ts", "tests/lib/plan/apply_test.ts"]) {
      refused("change-only-by-steps", place, source, /a file of the kernel/);
    }
  }
});

Deno.test("unit-in-name wants units on the numbers of exported types", () => {
  for (
    const source of [
      `export interface A { readonly memory: number }`,
      `export interface A { pageSize?: number }`,
      `export interface A { runtimeMax: bigint | null }`,
      `export interface A { "memory.max": number | undefined }`,
      `export interface A { inner: { deadline: number } }`,
      `export type A = { latency: number };`,
      `export type A = readonly { power: number }[];`,
      `interface A { temperature: number } export { A };`,
      `interface A { temperature: number } export type { A };`,
      `export default interface A { temperature: number }`,
    ]
  ) {
    refused("unit-in-name", "lib/power/meter.ts", source, /has no unit/);
    accepted("unit-in-name", "tests/lib/power/meter_test.ts", source);
  }
});

Deno.test("unit-in-name leaves units, counts, texts and private types alone", () => {
  for (
    const source of [
      `export interface A { memoryBytes: number; latencyUsMax: number; powerWatts: number | null; pageSizeBytes: bigint }`,
      `export interface A { cpuCount: number; priority: number; size: string; memory: Memory; runtimes: Map<string, number> }`,
      `interface A { memory: number }`,
      `interface A { memory: number } export interface B { a: A }`,
      `export interface A { time(): number }`,
      `export function f(size: number) {}`,
      `export type { Memory } from "./memory.ts";`,
      `export interface ContainerFlags { memory?: number }`,
    ]
  ) accepted("unit-in-name", "lib/power/meter.ts", source);
});

Deno.test("lacksUnit() finds names that end with a quantity, whatever qualifies it", () => {
  for (const name of ["faultLatencyMax", "period", "memory_limit", "memory.max", "pageSize", "bootTime"]) assert.ok(lacksUnit(name), name);
  for (const name of ["max", "faultLatencyUsMax", "sizeof", "timeOfDay", "cpuCount", "", "powerWattsTotal"]) {
    assert.ok(!lacksUnit(name), name);
  }
});

Deno.test("no-npm-on-start-up keeps slow modules out of what every command loads", () => {
  for (
    const place of [
      "scripts/nodeos.ts",
      "scripts/app.ts",
      "scripts/context.ts",
      "scripts/run/command.ts",
      "lib/kernel/cgroup.ts",
      "ffi/mod.ts",
    ]
  ) {
    for (
      const source of [
        `import { z } from "zod";`,
        `import * as z from "zod/v4";`,
        `import { parse } from "yaml";`,
        `import { parseArgs } from "node:util";`,
        `import zod from "npm:zod";`,
        `export { z } from "zod";`,
        `export * from "yaml";`,
        `import { type ZodError } from "zod";`,
      ]
    ) refused("no-npm-on-start-up", place, source, /statically/);
    for (
      const source of [
        `import type { ZodError } from "zod";`,
        `export type { ZodError } from "zod";`,
        `const { z } = await import("zod");`,
        `import { buildCommand } from "@stricli/core";`,
        `import { a } from "./zod.ts";`,
      ]
    ) accepted("no-npm-on-start-up", place, source);
  }
});

Deno.test("no-npm-on-start-up allows what only some commands load, and the exceptions in its table", () => {
  for (const place of ["scripts/run/run.ts", "scripts/build.ts", "tests/lib/errors_test.ts"]) {
    accepted("no-npm-on-start-up", place, `import { z } from "zod"; import { parse } from "yaml"; import fs from "node:fs";`);
  }
  accepted("no-npm-on-start-up", "lib/container/spec_file.ts", `import { z } from "zod"; import { parse } from "yaml";`);
  refused("no-npm-on-start-up", "lib/container/spec_file.ts", `import { z } from "zod"; import fs from "node:fs";`, /node:fs/);
});

// The samples are put together: as one text they would be complaints about this file.
Deno.test("no-output-over-device finds outputs that would replace a device", () => {
  const [option, place] = ["-" + "o", "/dev/" + "null"];
  for (
    const source of [
      `run("gcc a.c ${option} ${place}");`,
      "run(`gcc ${file} " + `${option} ${place}` + "`);",
      `new Deno.Command("gcc", { args: ["a.c", "${option}", "${place}"] });`,
      `run("sh -c 'gcc a.c ${option}${place}'");`,
    ]
  ) refused("no-output-over-device", "tests/ffi/programs.ts", source, /a compiler's output/);
  for (
    const source of [
      `run("gcc a.c ${option} /tmp/null");`,
      `run("gcc -E a.c > ${place}");`,
      `open("${place}");`,
      `new Deno.Command("gcc", { args: ["${option}", out, "${place}"] });`,
    ]
  ) accepted("no-output-over-device", "tests/ffi/programs.ts", source);
});
