import assert from "node:assert/strict";
import fc from "fast-check";
import { architectures, auditArch, hostArchitecture } from "../../../lib/syscall/arch.ts";
import { errnoNumber } from "../../../lib/syscall/errno.ts";
import { compileFilter } from "../../../lib/syscall/filter.ts";
import { type Policy, resolvePolicy } from "../../../lib/syscall/policy.ts";
import { profileNames } from "../../../lib/syscall/profile.ts";
import type { Verdict } from "../../../lib/syscall/switches.ts";
import { callsByNumber } from "../../../lib/syscall/table.ts";
import { loadsOf, run } from "./bpf.ts";
import { Filtered, filteredNote } from "./filtered.ts";
import { alone, anyPolicy } from "./policies.ts";

const noSuchCall = 0x00050000 | 38;
const numbers = [...Array.from({ length: 601 }, (_, number) => number), 0x3fffffff, 0x7fffffff];
/** Numbers of x32, from its first on, and those that are negative. */
const highNumbers = [0x40000000, 0x40000001, 0x40000000 + 257, 0x40000000 + 520, 0x7fffffff, -1, -2, -0x80000000, 2 ** 32 - 1];
/** i386, ARM, RISC-V, nothing, everything. */
const foreign = [0x40000003, 0x40000028, 0xc00000f3, 0, 0xffffffff];

/** What a policy says of a number, as the kernel understands it. */
function expected(policy: Policy, number: number): number {
  const call = callsByNumber(policy.architecture).get(number);
  const rule = policy.rules.find((rule) => rule.call === call);
  const verdict = ({ action, errno }: Verdict) => action === "allow" ? 0x7fff0000 : 0x00050000 | errnoNumber(errno!)!;
  return rule === undefined ? verdict(policy.unknown) : rule.notified ? 0x7fc00000 : verdict(rule);
}

function check(policy: Policy): void {
  const program = compileFilter(policy);
  const architecture = auditArch[policy.architecture];
  for (const number of numbers) {
    const isX32 = policy.architecture === "x86_64" && number >= 0x40000000;
    assert.equal(run(program, { number, architecture }).result, isX32 ? noSuchCall : expected(policy, number), `call ${number}`);
  }
  for (const number of highNumbers) {
    const result = policy.architecture === "x86_64" ? noSuchCall : expected(policy, number);
    assert.equal(run(program, { number, architecture }).result, result, `call ${number}`);
  }
  for (const architecture of [...foreign, ...Object.values(auditArch)].filter((other) => other !== auditArch[policy.architecture])) {
    for (const number of [0, 1, 57, 257, ...highNumbers]) {
      assert.equal(run(program, { number, architecture }).result, noSuchCall, `call ${number} of ${architecture}`);
    }
  }
}

for (const architecture of architectures) {
  Deno.test(`compileFilter() decides as the policy does, whatever it is, on ${architecture}`, () => {
    fc.assert(fc.property(anyPolicy(architecture), check), { numRuns: 40 });
  });
}

Deno.test("compileFilter() decides as our profiles do", () => {
  for (const architecture of architectures) {
    for (const profile of profileNames) check(resolvePolicy({ profile }, architecture));
  }
});

Deno.test("compileFilter() reads nothing but architecture and number, so that the kernel keeps a bit for allowed calls", () => {
  fc.assert(fc.property(anyPolicy("x86_64"), (policy) => assert.deepEqual(loadsOf(compileFilter(policy)), new Set([0, 4]))), {
    numRuns: 10,
  });
});

Deno.test("compileFilter() takes as many comparisons as the logarithm of the calls", () => {
  for (const architecture of architectures) {
    const policy = resolvePolicy({ profile: "full" }, architecture);
    // As bad as it gets: no two neighbours alike.
    const rules = policy.rules.map((rule, index) => index % 2 === 0 ? rule : { ...rule, notified: true });
    const program = compileFilter({ ...policy, rules, unknown: { action: "deny", errno: "EXDEV" } });
    assert.ok(program.length / 8 < 2048, `${program.length / 8} instructions`);
    const steps = numbers.map((number) => run(program, { number, architecture: auditArch[architecture] }).steps);
    // Two loads, architecture, x32 and the end; each comparison may be followed by a long jump only near the root.
    assert.ok(Math.max(...steps) <= 8 + Math.ceil(Math.log2(2 * rules.length)), `${Math.max(...steps)} steps`);
  }
});

Deno.test("compileFilter() takes 11 instructions for a policy that allows nearly everything", () => {
  assert.equal(compileFilter(resolvePolicy({ profile: "full" }, "x86_64")).length, 11 * 8);
});

Deno.test("compileFilter() refuses what needs somebody to answer, where nobody is asked", () => {
  const policy = resolvePolicy({ profile: "full" }, "x86_64");
  const rules = policy.rules.map((rule) => rule.call.name === "stat" ? { ...rule, action: "forward" as const } : rule);
  assert.throws(() => compileFilter({ ...policy, rules }), TypeError);
  assert.throws(() => compileFilter({ ...policy, unknown: { action: "deny", errno: "EWHAT" } }), TypeError);
});

const host = hostArchitecture();
const number = (name: string) => [...callsByNumber(host!)].find(([, call]) => call.name === name)![0];

Deno.test({
  name: `The kernel takes filters, and decides as they say${filteredNote}`,
  ignore: filteredNote !== "" || host === null,
  async fn() {
    using filtered = await Filtered.compile();
    const wish = { profile: "full", switches: ["dup=deny:EXDEV", "getppid=deny", "getuid=deny"] };
    const policy = alone(resolvePolicy(wish, host!));
    const switched = { ...policy, rules: policy.rules.map((rule) => rule.call.name === "getuid" ? { ...rule, notified: true } : rule) };
    const unknown = { ...switched, unknown: { action: "deny" as const, errno: "EDOM" } };
    const calls = [...["getpid", "dup", "getppid", "getuid", "io_uring_setup"].map(number), 500];
    const [pid, ...results] = await filtered.call(switched, ...calls);
    assert.ok(pid > 0);
    // getuid would be notified, and nobody listens.
    assert.deepEqual(results, [-18, -1, -38, -38, -38]);
    assert.deepEqual(await filtered.call(unknown, 500), [-33]);
    if (host === "x86_64") assert.deepEqual(await filtered.call(policy, "i386", 0x40000000 + 39), [-38, -38]);
  },
});
