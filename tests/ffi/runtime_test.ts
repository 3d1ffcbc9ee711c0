import assert from "node:assert/strict";
import { newPath, nobody, RealSidecar, runAs, sidecarTest } from "../lib/sidecar/real.ts";
import { checkout } from "./programs.ts";

const runtime = `${checkout}ffi/runtime/`;
const manual = Deno.readTextFileSync(`${runtime}README.md`);

/** The examples of the manual in one language, in their order. */
function examples(language: string): string[] {
  return [...manual.matchAll(new RegExp(`^\`\`\`${language}(?: ignore)?\\n(.*?)^\`\`\`$`, "gms"))].map(([, text]) => text);
}

async function compile(compiler: readonly string[], source: string, output: string): Promise<string> {
  const args = [...compiler.slice(1), "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-O1", `-I${runtime}`, source, "-o", output];
  const { stderr } = await new Deno.Command(compiler[0], { args, stdout: "null", stderr: "piped" }).output();
  return new TextDecoder().decode(stderr);
}

async function isThere(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

const posix = "-D_POSIX_C_SOURCE=200809L";
const compilers = [
  ["gcc", "-std=c99", posix],
  ["gcc", "-std=gnu17", "-Wconversion"],
  ["g++", "-std=c++11", "-xc++"],
  ["g++", "-std=c++20", "-xc++"],
  ["aarch64-linux-gnu-gcc", "-std=c99", posix],
] as const;

for (const compiler of compilers) {
  const missing = await isThere(compiler[0]) ? "" : ` [needs ${compiler[0]}]`;
  Deno.test({
    name: `nodeos_sidecar.h and the example of its manual compile with ${compiler.join(" ")}${missing}`,
    ignore: missing !== "",
    async fn() {
      const source = newPath("example.c");
      Deno.writeTextFileSync(source, examples("c")[0]);
      assert.equal(await compile(compiler, source, newPath("example")), "");
      // Alone, and twice in one program.
      Deno.writeTextFileSync(source, `#include "nodeos_sidecar.h"\n#include "nodeos_sidecar.h"\nint main(void) { return 0; }\n`);
      assert.equal(await compile(compiler, source, newPath("alone")), "");
    },
  });
}

/** A file with a text that everybody may read. */
function readable(text: string): string {
  const path = newPath("readable");
  Deno.writeTextFileSync(path, text, { mode: 0o644 });
  return path;
}

/** A directory of nobody's. */
function home(): string {
  const path = newPath("home");
  Deno.mkdirSync(path);
  Deno.chownSync(path, nobody, nobody);
  return path;
}

sidecarTest("the example in C reads a file, switches a call, and says what is wrong", async () => {
  await using sidecar = await RealSidecar.start();
  const source = newPath("example.c"), program = newPath("example");
  Deno.writeTextFileSync(source, examples("c")[0]);
  assert.equal(await compile(["gcc"], source, program), "");
  const addEnv = { NODEOS_SIDECAR: sidecar.socket };
  assert.deepEqual(await runAs(nobody, [program, readable("read me\n")], { addEnv }), { code: 0, signal: 0, out: "8 bytes: read me\n" });
  assert.equal(
    (await runAs(nobody, [program, "/nonexistent"], { addEnv })).out,
    "Cannot make call 0: ENOENT (No such file or directory)\n",
  );
  assert.equal((await runAs(1234, [program, "/"], { addEnv })).out, "Cannot connect to the sidecar: Permission denied\n");
  assert.equal((await runAs(nobody, [program, "/"], { env: {} })).out, "Cannot connect to the sidecar: NODEOS_SIDECAR is not set\n");
  // As a program of the container, whose own calls are forwarded.
  assert.equal((await sidecar.run([program, readable("in it\n")])).out, "6 bytes: in it\n");
});

for (const [name, flags] of [["", []], [" under sanitizers", ["-fsanitize=address,undefined", "-fno-sanitize-recover"]]] as const) {
  sidecarTest(`the client in C does what it says${name}`, async () => {
    await using sidecar = await RealSidecar.start();
    const program = newPath("runtime_client");
    assert.equal(await compile(["gcc", "-std=c99", "-D_GNU_SOURCE", "-g", ...flags], `${checkout}tests/ffi/runtime_client.c`, program), "");
    const addEnv = { NODEOS_SIDECAR: sidecar.socket };
    assert.deepEqual(await runAs(nobody, [program, home()], { addEnv }), { code: 0, signal: 0, out: "fine\n" });
  });
}

sidecarTest("the example in TypeScript runs with the permissions that its manual names", async () => {
  await using sidecar = await RealSidecar.start({ user: { uid: 0, gid: 0 } });
  const script = newPath("example.ts");
  Deno.writeTextFileSync(script, examples("ts")[0].replaceAll('"../../', `"file://${checkout}`));
  const [, flags] = /`deno run (--allow-env=.*?)`/.exec(manual)!;
  const args = flags.replaceAll("$NODEOS_SIDECAR", sidecar.socket).split(" ");
  const example = async (path: string) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", ...args, script, path],
      env: { NODEOS_SIDECAR: sidecar.socket },
      clearEnv: false,
    });
    const { stdout, stderr } = await command.output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  assert.equal(await example(readable("read me\n")), "read me\n\n");
  assert.equal(await example("/nonexistent"), "ENOENT Cannot make openat: ENOENT (No such file or directory)\n");
});

const hasCurl = await isThere("curl");

sidecarTest("the examples with curl answer what the manual shows", async () => {
  await using sidecar = await RealSidecar.start();
  const [call, others] = examples("sh");
  const run = async (script: string) => {
    const commands = script.replace("$NODEOS_SIDECAR -N ", "$NODEOS_SIDECAR -N -m 1 ");
    const { out } = await runAs(nobody, ["sh", "-c", commands.replaceAll("curl ", "curl -sS ")], {
      addEnv: { NODEOS_SIDECAR: sidecar.socket },
    });
    return out;
  };
  const { results } = JSON.parse(await run(call));
  const hostname = Deno.readTextFileSync("/etc/hostname");
  assert.deepEqual(results, [{ value: 3 }, { value: hostname.length, out: { data: { text: hostname } } }]);
  const lines = others.trim().split("\n");
  assert.equal(lines.length, 6);
  for (const line of lines) {
    const answer = await run(line);
    assert.doesNotMatch(answer, /^\{"status":[45]/, line);
    assert.notEqual(answer, "", line);
  }
}, hasCurl ? null : "needs curl");

sidecarTest("the module of the manual hands out a file that exists nowhere", async () => {
  const handlers = newPath("handlers.ts");
  Deno.writeTextFileSync(handlers, examples("ts")[1].replaceAll('"../../', `"file://${checkout}`));
  await using sidecar = await RealSidecar.start({ switches: ["openat=handle"], handlers });
  assert.deepEqual(await sidecar.run(["cat", "/job/nodes"]), { code: 0, signal: 0, out: "node1\nnode2\n" });
  assert.match((await sidecar.run(["cat", "/job/secret"])).out, /Permission denied/);
  assert.equal((await sidecar.run(["cat", readable("read me\n")])).out, "read me\n");
});
