import assert from "node:assert/strict";
import { machineState } from "../host.ts";
import { cannotForward, ForwardState, noteOf, Workplace } from "./forward/host.ts";

const sources = new URL("../traps/", import.meta.url).pathname;

/** Programs of `tests/traps`; each sets several traps, and prints a line for each: what it found out from inside. */
const trapPrograms = [
  ...["capabilities", "data", "descriptors", "directories", "identity", "interrupts", "itself", "lean", "limits", "locks"],
  ...["metadata", "older", "opening", "paths", "processes", "roots", "threads"],
];
/** What they are about is refused by `cnk`. */
const aboutRights = ["capabilities", "identity", "roots"];
/** Runs alone: when it watches, nothing that runs beside it is forwarded any more. */
const watching = "watching";
/** Generated calls, by seed: as root, and as another user. */
const generatedByRoot = ["generated 1 500", "generated 2 500"];
const generatedByUser = ["generated 4 500 1000", "generated 5 500 1000"];
const together = [...trapPrograms, ...generatedByRoot, ...generatedByUser];

/** Runs each program in an empty directory, and says which one it is. */
const script = [
  'cd "$1"; built=$2; shift 2',
  'for run; do mkdir -m 755 "$run"; echo "program $run"; (cd "$run" && "$built"/$run) || echo "ended $?"; done',
].join("\n");

/** The programs, compiled. */
class Programs implements Disposable {
  readonly #work = new Workplace();

  /** Compiles them; `helper-static` is dynamic where the C library cannot be linked statically. */
  constructor() {
    for (const name of [...trapPrograms, watching]) this.#compile(name, [`${name}.c`, "trap.c"]);
    this.#compile("generated", ["generated.c", "generated_arguments.c"]);
    this.#compile("helper", ["helper.c"]);
    if (!this.#tryCompile("helper-static", ["helper.c"], ["-static"]).success) this.#compile("helper-static", ["helper.c"]);
  }

  /** The command that runs some of them. */
  command(runs: readonly string[]): [program: string, ...args: string[]] {
    const directory = this.#work.directory(crypto.randomUUID());
    Deno.chmodSync(directory, 0o755);
    return ["sh", "-c", script, "sh", directory, this.#work.path, ...runs];
  }

  #compile(name: string, files: readonly string[]): void {
    const { success, stderr } = this.#tryCompile(name, files, []);
    assert.ok(success, new TextDecoder().decode(stderr));
  }

  #tryCompile(name: string, files: readonly string[], flags: readonly string[]): Deno.CommandOutput {
    const paths = files.map((file) => `${sources}${file}`);
    const args = ["-std=gnu17", "-O0", "-Wall", "-Wextra", "-Werror", "-pthread", ...flags, "-o", `${this.#work.path}/${name}`, ...paths];
    return new Deno.Command("gcc", { args, stdin: "null", stdout: "null", stderr: "piped" }).outputSync();
  }

  [Symbol.dispose](): void {
    this.#work[Symbol.dispose]();
  }
}

/** What each program printed, line by line. */
type Output = ReadonlyMap<string, readonly string[]>;

function read(text: string): Output {
  const parts = text.split(/^program (.*)\n/m).slice(1);
  return new Map(Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i], parts[2 * i + 1].trimEnd().split("\n")]));
}

/** A way to be forwarded, and what it runs. */
interface Way {
  readonly name: string;
  readonly syscalls: unknown;
  readonly runs: readonly string[];
}

const ways: readonly Way[] = [
  { name: "with @path forwarded", syscalls: { profile: "full", forward: ["@path"] }, runs: together },
  { name: "with @path, @fd and @data forwarded", syscalls: { profile: "full", forward: ["@path", "@fd", "@data"] }, runs: together },
  { name: "under cnk", syscalls: "cnk", runs: together.filter((run) => !aboutRights.includes(run) && !generatedByUser.includes(run)) },
];

async function runNatively(programs: Programs): Promise<Output> {
  const [program, ...args] = programs.command([...together, watching]);
  const { stdout } = await new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "inherit" }).output();
  return read(new TextDecoder().decode(stdout));
}

async function runForwarded(programs: Programs, { syscalls, runs }: Way): Promise<Output> {
  const state = new ForwardState();
  try {
    await state.up("traps", { syscalls });
    let output = "";
    for (const some of [runs, [watching]]) {
      const { code, stdout, stderr } = await state.nodeos(["exec", "traps", "--", ...programs.command(some)]);
      assert.equal(code, 0, stderr);
      output += stdout;
    }
    const forwarded = Object.values(state.counters("traps")).reduce((sum, counter) => sum + counter.forwarded, 0);
    assert.ok(forwarded > 10_000, `its calls were forwarded: ${forwarded}`);
    return read(output);
  } finally {
    await state[Symbol.asyncDispose]();
  }
}

/** Of what a bare kernel need not refuse, and our filter does. */
function isAboutFilter(line: string): boolean {
  return line.includes("ok lean: ");
}

/** What must be printed: what is printed natively. A trap that needs a call which the profile refuses is skipped. */
function expectedOf(native: readonly string[], found: readonly string[]): string[] {
  return native.map((line, index) =>
    isAboutFilter(line)
      ? line.replace(/^not (ok lean: [^:]*).*/, "$1")
      : /^skip .* is refused$/.test(found[index] ?? "")
      ? found[index]
      : line
  );
}

Deno.test({
  name: `programs in a container cannot tell that their calls are forwarded${noteOf(cannotForward)}`,
  ignore: cannotForward !== null,
  async fn(t) {
    const before = machineState();
    using programs = new Programs();
    const native = await runNatively(programs);
    await t.step("natively no trap snaps", () => {
      const lines = [...trapPrograms, watching].flatMap((name) => native.get(name) ?? []);
      assert.deepEqual(lines.filter((line) => !/^(?:ok|skip) /.test(line) && !isAboutFilter(line) && line !== "ended 1"), []);
      assert.ok(lines.length > 150);
    });
    for (const way of ways) {
      const forwarded = await runForwarded(programs, way);
      for (const run of [...way.runs, watching]) {
        await t.step(`${way.name}: ${run}`, () => {
          const found = forwarded.get(run)!;
          const expected = expectedOf(native.get(run)!.filter((line) => line !== "ended 1"), found);
          assert.deepEqual(found, expected);
        });
      }
    }
    assert.deepEqual(machineState(), before);
  },
});
