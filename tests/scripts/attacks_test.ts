import assert from "node:assert/strict";
import { controlKeeper } from "../../ffi/keeper.ts";
import { launch, stdioNull, waitAsync } from "../../ffi/launch.ts";
import {
  Arena,
  attack,
  attackerId,
  type Attempt,
  compile,
  type Identity,
  judge,
  type Ring,
  strangerId,
  Target,
  widePolicy,
} from "../attacks/arena.ts";
import { cannotForward, isRunning, noteOf, until } from "./forward/host.ts";

/** What the issue promises: so many attempts, none of which gains anything. */
const attemptsMin = 200;

/** What shows most of who somebody is for files; users make all of it. */
const someFiles = ["open to", "openat", "newfstatat", "unlink", "rename", "link", "chmod", "chown", "truncate", "setxattr", "mknod"]
  .map((name) => `files: ${name}`);

/** Who attacks what. Root without capabilities may natively end processes of root's, so it is not asked to. */
const rounds: readonly { readonly identity: Identity; readonly owner: number; readonly families: readonly string[] }[] = [
  {
    identity: "user",
    owner: 0,
    families: ["controls", "files", "descriptors", "links", "races", "processes", "entries", "sockets", "http", "forged", "stalls"],
  },
  { identity: "root", owner: 0, families: ["identity", "sockets: peer", "stalls: paths in memory", "stalls: room in memory"] },
  { identity: "bare-root", owner: strangerId, families: [...someFiles, "links"] },
  { identity: "user-namespace", owner: 0, families: [...someFiles, "descriptors", "links"] },
];

/** Why an attempt may be left out: somebody else makes it, or this machine has not what it attacks. */
const excuses = /: (it needs root|there is no cgroup v1|this kernel has no |unshare: |clone: |clone3 |the limit is |it is allowed)/;

/** A directory of this test's, through which the attacker may pass. */
class Scratch implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "nodeos-attacks-" });

  constructor() {
    Deno.chmodSync(this.path, 0o711);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

// The library is loaded part by part, where something is used first, and for the life of the process.
if (cannotForward === null) {
  await assert.rejects(controlKeeper("/nonexistent", "stay"));
  using scratch = new Scratch();
  await waitAsync(launch({ argv: ["true"], cwd: "/", stdio: [stdioNull, stdioNull, stdioNull] }), scratch.path);
}

/** Processes that execute a program. */
function processesOf(program: string): string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => {
    try {
      return /^\d+$/.test(name) && Deno.readLinkSync(`/proc/${name}/exe`) === program;
    } catch {
      // It ended, or is the kernel's.
      return false;
    }
  });
}

function descriptorCount(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

function byFamily(names: readonly string[]): Map<string, string[]> {
  return Map.groupBy(names, (name) => name.slice(0, name.indexOf(":"))) as Map<string, string[]>;
}

Deno.test({
  name: `nobody gains by forwarded calls or by the sidecar what it could not do itself, in ${attemptsMin} attempts and more${
    noteOf(cannotForward)
  }`,
  ignore: cannotForward !== null,
  async fn(t) {
    using scratch = new Scratch();
    await compile(scratch.path);
    let total = 0;
    await using target = await Target.start(`${scratch.path}/state`, widePolicy());
    await using other = await Target.start(`${scratch.path}/other`, widePolicy(), strangerId);
    const { keeperPid, forwarderPid, sidecarPid } = target.state;
    const served = [keeperPid, forwarderPid, sidecarPid] as number[];
    let descriptors: number[] = [];

    for (const { identity, owner, families } of rounds) {
      using arena = Arena.make(scratch.path, owner);
      const ring: Ring = { scratch: scratch.path, arena, target, other };
      const before = arena.picture();
      const native = await attack(ring, identity, false, families);
      assert.deepEqual([arena.picture(), arena.dead()], [before, []], "natively");
      const through = await attack(ring, identity, true, families);
      const { refused, controls, gains, faults, skipped } = judge(native, through);

      const groups = [...byFamily([...refused, ...controls])];
      for (const [family, names] of groups) {
        const found = [...gains, ...faults].filter((text) => text.startsWith(`${family}:`));
        await t.step(`${identity}: ${names.length} ${family}`, () => assert.deepEqual(found, []));
      }
      await t.step(`${identity}: nothing of anybody else's has changed, and everybody lives`, () => {
        assert.deepEqual([...gains, ...faults].filter((text) => !groups.some(([family]) => text.startsWith(`${family}:`))), []);
        assert.deepEqual(skipped.filter((text) => !excuses.test(text) && !text.startsWith("controls")), []);
        assert.equal(arena.picture(), before);
        assert.deepEqual(arena.dead(), []);
        assert.deepEqual([target.state.keeperPid, target.state.forwarderPid, target.state.sidecarPid], served);
      });
      total += refused.length;
      if (descriptors.length === 0) descriptors = served.map(descriptorCount);
      if (identity === "user") assert.ok(controls.length > 100, `only ${controls.length} controls`);
    }

    await t.step(`${total} attempts in all, many of which were executed by somebody else`, () => {
      assert.ok(total >= attemptsMin);
      const counters = target.counters;
      for (const name of ["openat", "newfstatat", "unlink", "chmod"]) assert.ok(counters[name].forwarded > 0, name);
    });

    await t.step("a gain would be seen", async () => {
      using own = Arena.make(scratch.path, attackerId);
      using arena = Arena.make(scratch.path, 0);
      const before = own.picture();
      const native = await attack({ scratch: scratch.path, arena, target, other }, "user", false, someFiles);
      const allowed: Attempt[] = await attack({ scratch: scratch.path, arena: own, target, other }, "user", false, someFiles);
      const { gains } = judge(native, allowed);
      assert.ok(gains.length > 40, `${gains.length} gains`);
      assert.notEqual(own.picture(), before);
      const hung = allowed.map((attempt) => ({ ...attempt, verdict: "broken" as const }));
      assert.equal(judge(native, hung).faults.length, native.length);
      assert.equal(judge(native, []).faults.length, native.length);
    });

    await t.step("who serves is the same as before, with nothing left of the attackers", async () => {
      assert.deepEqual(processesOf(`${scratch.path}/attack`), []);
      const { forwarderStarts, sidecarStarts } = target.state;
      assert.deepEqual([forwarderStarts, sidecarStarts, served.every(isRunning)], [1, 1, true]);
      await until("the end of all filters", () => target.state.listeners === 0);
      for (const [index, pid] of served.entries()) assert.ok(descriptorCount(pid) <= descriptors[index] + 4, `process ${index}`);
    });
  },
});
