import assert from "node:assert/strict";
import { launcher } from "../../scripts/install.ts";
import { cannotIsolate } from "../host.ts";
import { hostArchitecture } from "../../lib/syscall/arch.ts";

const checkout = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const cannotForward = cannotIsolate ?? (hostArchitecture() === null ? "needs x86-64 or aarch64" : null);

/** Runs a command, and gives what it printed. */
async function output(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], stdin: "null" }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Installs below a directory of its own, which goes with what is returned. */
async function installed(): Promise<Disposable & { readonly prefix: string; readonly said: string }> {
  const prefix = Deno.makeTempDirSync({ prefix: "nodeos-install-" });
  const dispose = { prefix, said: "", [Symbol.dispose]: () => Deno.removeSync(prefix, { recursive: true }) };
  try {
    return { ...dispose, said: await output(Deno.execPath(), ["run", "-q", "-A", `${checkout}/scripts/install.ts`, "--prefix", prefix]) };
  } catch (error) {
    dispose[Symbol.dispose]();
    throw error;
  }
}

/** Asks an HTTP server on a Unix socket, and gives all that it sends. */
async function ask(path: string, request: string): Promise<string> {
  using socket = await Deno.connect({ transport: "unix", path });
  await socket.write(new TextEncoder().encode(request));
  return await new Response(socket.readable, {}).text();
}

Deno.test("launcher() gives the command no network, no programs, and only the library that it knows", () => {
  const script = launcher("/opt/deno");
  assert.doesNotMatch(script, /--allow-(?:all|net|run|sys)|-A\b/);
  assert.ok(script.includes(`--allow-ffi=\${NODEOS_LIB:-${checkout}/build/libnodeos.so}`));
});

Deno.test("deno task install puts command, completion and manual page below a prefix, and says where", async () => {
  using place = await installed();
  const { prefix } = place;
  const files = place.said.trimEnd().split("\n").map((line) => line.replace(`installed ${prefix}/`, ""));
  assert.deepEqual(files, [
    "bin/nodeos",
    "share/bash-completion/completions/nodeos",
    "share/zsh/site-functions/_nodeos",
    "share/fish/vendor_completions.d/nodeos.fish",
    "share/man/man1/nodeos.1",
    "lib/libnodeos-rt.so",
    "lib/libnodeos-preload.so",
    "lib/libnodeos-paging.so",
    "lib/libnodeos-paging-preload.so",
    "lib/libnodeos-papi.so",
    "lib/libnodeos-cores.so",
    "include/nodeos_paging.h",
    "include/nodeos_umap.h",
    "include/nodeos_cores.h",
    "include/nodeos_memory.h",
    "include/nodeos_sidecar.h",
    "include/nodeos_memory.f90",
  ]);
  for (const file of files) {
    assert.equal(Deno.statSync(`${prefix}/${file}`).mode! & 0o777, /^bin|\.so$/.test(file) ? 0o755 : 0o644, file);
  }
  // Again, in place of what is there.
  assert.equal(
    await output(Deno.execPath(), ["run", "-q", "-A", `${checkout}/scripts/install.ts`, "--prefix", prefix]),
    place.said,
  );
  assert.match(await output(`${prefix}/bin/nodeos`, ["syscalls", "--profile", "cnk"]), /forward, at the ServiceOS/);
});

Deno.test({
  name: `an installed command runs a program under a profile, and its sidecar answers${
    cannotForward === null ? "" : ` [${cannotForward}]`
  }`,
  ignore: cannotForward !== null,
  async fn() {
    using place = await installed();
    const args = ["run", "--syscalls", "lean", "--", "sh", "-c", "echo $NODEOS_SIDECAR; cat /etc/hostname >&2; read -r line"];
    await using program = new Deno.Command(`${place.prefix}/bin/nodeos`, { args, stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    const said = new Response(program.stderr).text();
    const lines = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const socket = (await lines.read()).value?.trim() ?? "";
    try {
      assert.match(socket, /^\/run\/nodeos\/forward\/run-\d+\/sidecar\.sock$/);
      const answer = await ask(socket, "GET /v1/calls HTTP/1.1\r\nHost: nodeos\r\nConnection: close\r\n\r\n");
      assert.match(answer, /^HTTP\/1\.1 200 /);
      assert.match(answer, /"openat":\{"calls":[1-9]/);
    } finally {
      await program.stdin.close();
      await lines.cancel();
    }
    // It had no line to read.
    assert.equal((await program.status).code, 1);
    assert.equal(await said, Deno.readTextFileSync("/etc/hostname"));
    assert.throws(() => Deno.statSync(socket.replace(/\/[^/]*$/, "")), Deno.errors.NotFound);
  },
});
