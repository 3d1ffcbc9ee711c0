import assert from "node:assert/strict";
import { cannotForward, ForwardState, noteOf, Workplace } from "./forward/host.ts";
import { machineState } from "../host.ts";

const sources = new URL("../traps/", import.meta.url).pathname;

/** Programs of `tests/traps`; each sets several traps. */
const programs = [
  ...["capabilities", "data", "descriptors", "directories", "identity", "interrupts", "itself", "lean", "limits", "locks"],
  ...["metadata", "older", "opening", "paths", "processes", "roots", "threads"],
];
/** Refused by `cnk`, all of what these are about. */
const aboutRights = ["capabilities", "identity", "roots"];

/** What a trap says: `ok`, or `skip: why`, or `not ok: why`. */
type Outcomes = ReadonlyMap<string, string>;

/** Runs each program in an empty directory; says which one it is. */
const script = [
  'cd "$1"; built=$2; shift 2',
  'for name; do mkdir -m 755 "$name"; echo "program $name"; (cd "$name" && "$built/$name") || echo "ended $?"; done',
].join("\n");

/** The traps, compiled once. */
class Traps implements Disposable {
  readonly #work = new Workplace();

  /** Compiles them; `helper-static` is dynamic where the C library cannot be linked statically. */
  constructor() {
    for (const name of programs) this.#compile(name, [`${name}.c`, "trap.c"], ["-pthread"]);
    this.#compile("helper", ["helper.c"], []);
    if (!this.#tryCompile("helper-static", ["helper.c"], ["-static"]).success) this.#compile("helper-static", ["helper.c"], []);
  }

  /** The command that runs some of them. */
  command(names: readonly string[]): string[] {
    const directory = this.#work.directory(crypto.randomUUID());
    Deno.chmodSync(directory, 0o755);
    return ["sh", "-c", script, "sh", directory, this.#work.path, ...names];
  }

  #compile(name: string, files: readonly string[], flags: readonly string[]): void {
    const { success, stderr } = this.#tryCompile(name, files, flags);
    assert.ok(success, new TextDecoder().decode(stderr));
  }

  #tryCompile(name: string, files: readonly string[], flags: readonly string[]): Deno.CommandOutput {
    const paths = files.map((file) => `${sources}${file}`);
    const args = ["-std=gnu17", "-O0", "-Wall", "-Wextra", "-Werror", ...flags, "-o", `${this.#work.path}/${name}`, ...paths];
    return new Deno.Command("gcc", { args, stdin: "null", stdout: "null", stderr: "piped" }).outputSync();
  }

  [Symbol.dispose](): void {
    this.#work[Symbol.dispose]();
  }
}

/** What the programs print, by `program: trap`. */
function read(output: string): Outcomes {
  let program = "";
  return new Map(
    output.trimEnd().split("\n").flatMap((line) => {
      if (line.startsWith("program ")) program = line.slice("program ".length);
      const [, word, rest] = /^(ok|not ok|skip) (.*)$/.exec(line) ?? [];
      if (word === undefined) return [];
      // Names may have a colon; those that do begin with "lean".
      const [, trap, why] = /^((?:lean: )?[^:]*)(?:: (.*))?$/.exec(rest)!;
      return [[`${program}: ${trap}`, why === undefined ? word : `${word}: ${why}`]];
    }),
  );
}

/** Traps of calls that the filter refuses, as no bare kernel has to. */
function isAboutFilter(trap: string): boolean {
  return trap.includes(": lean: ");
}

async function runNatively(traps: Traps): Promise<Outcomes> {
  const [command, ...args] = traps.command(programs);
  const { stdout } = await new Deno.Command(command, { args, stdin: "null", stdout: "piped", stderr: "inherit" }).output();
  return read(new TextDecoder().decode(stdout));
}

async function runForwarded(traps: Traps, names: readonly string[], syscalls: unknown): Promise<Outcomes> {
  const state = new ForwardState();
  try {
    await state.up("traps", { syscalls });
    const { code, stdout, stderr } = await state.nodeos(["exec", "traps", "--", ...traps.command(names)]);
    assert.equal(code, 0, stderr);
    const counters = Object.values(state.counters("traps"));
    assert.ok(counters.reduce((sum, { forwarded }) => sum + forwarded, 0) > 1000, "its calls were forwarded");
    return read(stdout);
  } finally {
    await state[Symbol.asyncDispose]();
  }
}

/** The ways to be forwarded; all traps of the programs must end as natively, except where `tolerates` says so. */
const ways: readonly { name: string; syscalls: unknown; names: readonly string[]; tolerates: (outcome: string) => boolean }[] = [
  { name: "with @path forwarded", syscalls: { profile: "full", forward: ["@path"] }, names: programs, tolerates: () => false },
  {
    name: "with @path, @fd and @data forwarded",
    syscalls: { profile: "full", forward: ["@path", "@fd", "@data"] },
    names: programs,
    tolerates: () => false,
  },
  {
    name: "under cnk",
    syscalls: "cnk",
    names: programs.filter((name) => !aboutRights.includes(name)),
    tolerates: (outcome) => outcome.endsWith(" is refused"),
  },
];

Deno.test({
  name: `programs in containers cannot tell that their calls are forwarded${noteOf(cannotForward)}`,
  ignore: cannotForward !== null,
  async fn(t) {
    const before = machineState();
    using traps = new Traps();
    const native = await runNatively(traps);
    await t.step("natively no trap snaps", () => {
      assert.deepEqual([...native].filter(([trap, outcome]) => outcome.startsWith("not ok") && !isAboutFilter(trap)), []);
      assert.ok([...native.values()].filter((outcome) => outcome === "ok").length > 140);
    });
    for (const { name, syscalls, names, tolerates } of ways) {
      const forwarded = await runForwarded(traps, names, syscalls);
      for (const [trap, outcome] of native) {
        if (!names.includes(trap.split(":")[0])) continue;
        await t.step(`${name}: ${trap}`, () => {
          const found = forwarded.get(trap) ?? "nothing";
          if (!tolerates(found)) assert.equal(found, isAboutFilter(trap) ? "ok" : outcome);
        });
      }
    }
    assert.deepEqual(machineState(), before);
  },
});
