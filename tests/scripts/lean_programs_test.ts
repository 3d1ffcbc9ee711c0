import assert from "node:assert/strict";
import { hpccInput } from "../../scripts/demo/program.ts";
import { checkout } from "../host.ts";
import { type ForwardState, forwardTest, missing, until, withinMinute, Workplace } from "./forward/host.ts";

const sources = new URL("./forward/", import.meta.url).pathname;
const profiles = ["cnk", "lean"];

/** A program that nobody changed for us. */
interface Program {
  readonly name: string;
  /** Why it cannot be run here, or `null`. */
  readonly reason: string | null;
  /** Compiles or writes what it needs, once. Returns what is executed, in an empty directory. */
  readonly prepare: (work: Workplace) => readonly string[] | Promise<readonly string[]>;
  /** Puts its input into that directory. */
  readonly fill?: (directory: string) => void;
  /** Files whose content is another one each time. */
  readonly unlike?: RegExp;
  /** What it prints, without what is another each time. */
  readonly printed?: (text: string) => string;
  /** Looks at the directory after each run. */
  readonly check?: (directory: string) => void;
}

const shellSteps = [
  "set -eu",
  "for i in $(seq 30); do mkdir -p deep/$i/er; echo $i > deep/$i/number; done",
  "cat deep/*/number | sort -n | tail -3 | tr '\\n' ' ' | sed 's/ $//'; echo",
  "find deep -type f | while read f; do grep -c . $f; done | sort | uniq -c | awk '{ print $1, $2 }'",
  "mkfifo pipe; (echo through the pipe > pipe &) ; cat pipe; rm pipe",
  "(cd deep/7; ln -s ../8 eight; cat eight/number; pwd -P | grep -o 'deep.*')",
  "umask 077; echo secret > private; ls -l private | cut -c1-10",
  "[ -d absent ] || echo none; cat absent 2>&1 || true; echo a > b; mv b c; cp c d; cmp c d && rm c",
  "exec 3<d; read x <&3; exec 3<&-; echo $x; trap 'echo trapped' USR1; kill -USR1 $$; false || echo ${?}",
].join("\n");

const gitSteps = [
  "set -eu",
  "git init -q -b main origin; cd origin",
  'for i in $(seq 40); do mkdir -p d$((i % 5)); echo line $i > d$((i % 5))/f$i; git add -A; [ $((i % 8)) != 0 ] || git commit -qm "step $i"; done',
  "ln -s d1/f1 link; chmod 755 d1/f1; git add -A; git commit -qm last; cd ..",
  "git clone -q --no-hardlinks origin copy; git -C copy fsck --full --strict 2>&1",
  "cd copy; git log --format='%h %s'; git status --porcelain; git ls-tree -r HEAD | sha256sum",
  "git checkout -qb side HEAD~2; echo more >> d1/f1; git commit -qam side; git merge -q --no-edit main; git gc -q; git fsck --full 2>&1",
  "git rev-parse HEAD^{tree}; cd ../origin; git pull -q ../copy side; git diff --stat HEAD~1 | tail -1",
].join("\n");

const gitEnvironment = [
  ...["AUTHOR", "COMMITTER"].flatMap((who) => [`GIT_${who}_NAME=A`, `GIT_${who}_EMAIL=a@example.org`, `GIT_${who}_DATE=1700000000 +0000`]),
  "GIT_CONFIG_NOSYSTEM=1",
  "GIT_CONFIG_GLOBAL=/dev/null",
];

const programs: readonly Program[] = [
  {
    name: "a solver with OpenMP",
    reason: null,
    prepare: (work) => ["env", "OMP_NUM_THREADS=4", work.compile("solver", "-fopenmp", "-lm")],
  },
  {
    name: "git clone, fsck, merge and gc",
    reason: missing("git"),
    prepare: () => ["env", ...gitEnvironment, "sh", "-c", gitSteps],
    // Of the times and numbers of files.
    unlike: /\/\.git\/(?:index|objects\/(?:pack|info)\/.*|.*_HEAD|gc\.pid|logs\/.*|info\/refs)$/,
  },
  {
    name: "Python with files, threads, child processes, sockets and a database",
    reason: missing("python3"),
    prepare: () => ["python3", "-B", `${sources}programs.py`],
  },
  {
    name: "tar and find",
    reason: missing("tar", "find"),
    fill: fillTree,
    prepare: () => [
      "sh",
      "-euc",
      "tar -cf tree.tar --sort=name tree; mkdir back; tar -xpf tree.tar -C back; diff -r --no-dereference tree back/tree && echo same;" +
      "find back/tree -printf '%P %y %m %s %l %n\\n' | sort; find back -name 'f1*' -delete; find back -type f | wc -l; rm tree.tar; chmod 755 back/tree/closed",
    ],
  },
  { name: "pipelines of a shell", reason: null, prepare: () => ["sh", "-c", shellSteps] },
  {
    name: "HPC Challenge, one rank",
    reason: missing("hpcc"),
    fill: (directory) => Deno.writeTextFileSync(`${directory}/hpccinf.txt`, hpccInput(150)),
    prepare: () => ["hpcc"],
    unlike: /hpccoutf\.txt$/,
    printed: () => "",
    check: (directory) => checkHpcc(directory, 1),
  },
];

function checkHpcc(directory: string, ranks: number): void {
  const report = Deno.readTextFileSync(`${directory}/hpccoutf.txt`);
  for (const line of [/^Success=1$/m, new RegExp(`^CommWorldProcs=${ranks}$`, "m"), /^\|\|Ax-b\|\|.* PASSED$/m]) assert.match(report, line);
  assert.doesNotMatch(report, /FAILED/);
}

/** Files of all kinds that an archive can hold. */
function fillTree(directory: string): void {
  Deno.mkdirSync(`${directory}/tree/deep/er/and/deeper`, { recursive: true });
  for (let number = 0; number < 60; number++) {
    Deno.writeTextFileSync(`${directory}/tree/deep/f${number}`, "x".repeat(number * 37), { mode: 0o600 + number % 64 });
  }
  Deno.writeTextFileSync(`${directory}/tree/${"long".repeat(50)}`, "long");
  Deno.linkSync(`${directory}/tree/deep/f59`, `${directory}/tree/deep/er/hard`);
  Deno.symlinkSync("../deep/f7", `${directory}/tree/deep/soft`);
  Deno.symlinkSync("absent", `${directory}/tree/dangling`);
  Deno.mkdirSync(`${directory}/tree/closed`, { mode: 0o500 });
}

/** Everything below a directory: kinds, modes, targets, and contents by their hash. */
async function treeOf(directory: string, unlike?: RegExp): Promise<string[]> {
  const lines: string[] = [];
  const visit = async (path: string) => {
    const { mode, isDirectory, isSymlink, nlink } = Deno.lstatSync(path);
    const kind = isDirectory
      ? ""
      : isSymlink
      ? Deno.readLinkSync(path)
      : unlike?.test(path)
      ? "(another each time)"
      : `${nlink} ${await hashOf(path)}`;
    if (!unlike?.test(path)) lines.push(`${path.slice(directory.length)} ${(mode! & 0o7777).toString(8)} ${kind}`);
    if (isDirectory) { for (const { name } of Deno.readDirSync(path)) await visit(`${path}/${name}`); }
  };
  await visit(directory);
  return lines.sort();
}

async function hashOf(path: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path))).toHex();
}

interface Run {
  readonly code: number;
  readonly out: string;
  readonly tree: readonly string[];
}

/** Runs a program in a directory that is the same each time, with the words before it that put it where it is to run. */
async function runOf(
  program: Program,
  argv: readonly string[],
  directory: string,
  prefix?: (directory: string) => Deno.Command,
): Promise<Run> {
  Deno.mkdirSync(directory);
  program.fill?.(directory);
  const options = { args: argv.slice(1), cwd: directory, stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const { code, stdout, stderr } = await withinMinute(
    (prefix?.(directory) ?? new Deno.Command(argv[0], options)).output(),
    program.name,
    100,
  );
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  if (code === 0) program.check?.(directory);
  const tree = await treeOf(directory, program.unlike);
  Deno.removeSync(directory, { recursive: true });
  return { code, out: program.printed?.(text) ?? text, tree };
}

/** The command that runs something in a container. */
function execIn(state: ForwardState, container: string, directory: string, argv: readonly string[]): Deno.Command {
  const { command, options } = state.command("exec", "--cwd", directory, container, "--", ...argv);
  return new Deno.Command(command, options);
}

for (const program of programs) {
  forwardTest(`${program.name}, under cnk and lean, does what it does outside`, program.reason, async (state) => {
    using work = new Workplace();
    const argv = await program.prepare(work);
    const directory = `${work.path}/here`;
    const outside = await runOf(program, argv, directory);
    assert.equal(outside.code, 0, outside.out);
    for (const profile of profiles) {
      await state.up("lean", { syscalls: profile });
      const inside = await runOf(program, argv, directory, () => execIn(state, "lean", directory, argv));
      assert.deepEqual(inside, outside, profile);
      assert.ok(state.counters("lean").openat.forwarded > 0);
      assert.equal((await state.nodeos(["down", "lean"])).code, 0);
    }
  });
}

forwardTest("a server in a container answers whoever is outside, from files that it gets by the ServiceOS", null, async (state) => {
  using work = new Workplace();
  const program = work.file(
    "server.ts",
    `Deno.serve({ path: "socket", onListen: () => console.log("ready") }, async (request) => {
      const name = "." + new URL(request.url).pathname;
      if (request.method === "PUT") await Deno.writeTextFile(name, await request.text());
      return new Response(await Deno.readTextFile(name).catch((error) => error.name));
    });
    Deno.addSignalListener("SIGTERM", () => Deno.exit(0));\n`,
  );
  for (const profile of profiles) {
    const directory = work.directory(profile);
    await state.up("server", { syscalls: profile });
    const argv = [Deno.execPath(), "run", "-q", "--no-config", "-A", program];
    await using server = state.talk("exec", "--cwd", directory, "server", "--", ...argv);
    assert.equal(await server.line(), "ready");
    {
      using client = Deno.createHttpClient({ proxy: { transport: "unix", path: `${directory}/socket` } });
      const ask = async (name: string, init: RequestInit = {}) =>
        await (await fetch(`http://127.0.0.1/${name}`, { ...init, client })).text();
      assert.equal(await ask("absent"), "NotFound");
      const names = Array.from({ length: 50 }, (_, number) => `file-${number}`);
      assert.deepEqual(await Promise.all(names.map((name) => ask(name, { method: "PUT", body: name }))), names);
      assert.deepEqual(await Promise.all(names.map((name) => ask(name))), names);
      assert.equal(Deno.readTextFileSync(`${directory}/file-49`), "file-49");
    }
    const { openat } = state.counters("server");
    assert.ok(openat.forwarded > 100, JSON.stringify(openat));
    server.process.kill("SIGTERM");
    assert.equal((await server.end()).code, 0);
    assert.equal((await state.nodeos(["down", "server"])).code, 0);
  }
});

forwardTest(
  "two ranks of an MPI program, each started by nodeos exec, compute the right result",
  missing("hpcc", "mpirun"),
  async (state) => {
    using work = new Workplace();
    await state.up("ranks", { syscalls: "cnk" });
    const directory = work.directory("here");
    Deno.writeTextFileSync(`${directory}/hpccinf.txt`, hpccInput(64, 2));
    const command =
      `NODEOS_STATE=${state.directory} ${Deno.execPath()} run -q --config ${checkout}deno.json -A ${checkout}scripts/nodeos.ts`;
    const nodeos = work.file("nodeos", `#!/bin/sh\n${command.replace(" ", " exec ")} "$@"\n`, 0o755);
    const flags = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"];
    const args = [...flags, "-n", "2", nodeos, "exec", "ranks", "--", "hpcc"];
    const child = new Deno.Command("mpirun", { args, cwd: directory, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    let seen = 0;
    const over = child.output();
    let isOver = false;
    over.finally(() => isOver = true);
    await until("two ranks", () => (seen = Math.max(seen, state.board("ranks").listeners)) >= 2 || isOver);
    const { code, stdout, stderr } = await withinMinute(over, "the end of mpirun", 100);
    assert.equal(code, 0, [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join(""));
    assert.equal(seen, 2);
    checkHpcc(directory, 2);
    assert.ok(state.counters("ranks").openat.forwarded > 100);
  },
);
