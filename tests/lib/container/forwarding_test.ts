import assert from "node:assert/strict";
import { forwarding, forwardingBy } from "../../../lib/container/forwarding.ts";
import { forwardedBirth, forwardingDirectory } from "../../../lib/container/forwarding_seat.ts";
import type { NodeRequest } from "../../../lib/container/spec.ts";
import { SpecError } from "../../../lib/container/spec.ts";
import type { SyscallRequest } from "../../../lib/container/syscall_wish.ts";
import { compileWish } from "../../../lib/container/wish_compiler.ts";
import { hostArchitecture } from "../../../lib/syscall/arch.ts";

const cannotFilter = hostArchitecture() === null ? "needs x86-64 or aarch64" : null;

function onThisProcessor(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: cannotFilter === null ? name : `${name} [${cannotFilter}]`, ignore: cannotFilter !== null, fn });
}

function request(...wishes: readonly (SyscallRequest | undefined)[]): NodeRequest {
  const containers = wishes.map((syscalls, index) => ({ name: `c${index}`, cpuCount: 1, ...(syscalls && { syscalls }) }));
  return { containers } as unknown as NodeRequest;
}

onThisProcessor("check() takes every profile of ours, and containers without one", async () => {
  await forwarding.check(request(undefined, { profile: "full" }, { profile: "lean" }, { profile: "cnk" }, { profile: "cnk-strict" }));
});

onThisProcessor("check() names every container whose wish is wrong, with what would be right", async () => {
  const wrong = request({ profile: "lena" }, { profile: "lean" }, { profile: "cnk", switches: ["opanat=allow"] }, {
    profile: "lean",
    handlers: "/nonexistent/handlers.ts",
  });
  await assert.rejects(forwarding.check(wrong), (error: unknown) => {
    assert.ok(error instanceof SpecError);
    assert.deepEqual(error.issues.map(({ path }) => path.slice(0, 3)), [0, 2, 3].map((index) => ["containers", index, "syscalls"]));
    assert.match(error.issues[0].message, /Cannot find the profile "lena"; did you mean "lean"/);
    assert.match(error.issues[1].message, /opanat.*did you mean "openat"/);
    assert.match(error.issues[2].message, /Cannot use the handlers "\/nonexistent\/handlers\.ts": there is no such file/);
    return true;
  });
});

onThisProcessor("check() compiles a wish once, however often it is looked at", async () => {
  const wishes: SyscallRequest[] = [];
  const counted = forwardingBy(() => Promise.resolve((wish) => (wishes.push(wish), compileWish(wish))));
  const asked = request({ profile: "lean" }, { profile: "cnk" });
  await counted.check(asked);
  await counted.check(asked);
  assert.deepEqual(wishes.map(({ profile }) => profile), ["lean", "cnk"]);
});

Deno.test("forwardedBirth() brings filter and socket, and takes rights by exec from users other than root", () => {
  const state = Deno.makeTempDirSync({ prefix: "nodeos-birth-" });
  try {
    const directory = forwardingDirectory(state, "sim");
    Deno.mkdirSync(directory, { recursive: true });
    Deno.writeFileSync(`${directory}/filter`, new Uint8Array([6, 0, 0, 0, 0, 0, 255, 127]));
    const { filter, variables } = forwardedBirth(directory, undefined);
    assert.deepEqual(variables, { NODEOS_SIDECAR: `${state}/forward/sim/sidecar.sock` });
    assert.deepEqual(filter, {
      program: new Uint8Array([6, 0, 0, 0, 0, 0, 255, 127]),
      control: `${directory}/control.sock`,
      noNewPrivileges: false,
    });
    assert.deepEqual([0, 1000].map((uid) => forwardedBirth(directory, uid).filter!.noNewPrivileges), [false, true]);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
});

Deno.test("stop() of a container that forwards nothing does nothing", async () => {
  const state = Deno.makeTempDirSync({ prefix: "nodeos-birth-" });
  try {
    await forwarding.stop(forwardingDirectory(state, "sim"));
    assert.deepEqual([...Deno.readDirSync(state)], []);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
});
