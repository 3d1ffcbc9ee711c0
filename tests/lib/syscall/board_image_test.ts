import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { architectures, auditArch } from "../../../lib/syscall/arch.ts";
import { argumentCodes, boardAt, boardBytes, boardMagic, HeaderLayout, rowFlags } from "../../../lib/syscall/board_layout.ts";
import { type BoardPolicy, encodeBoard, policyWord } from "../../../lib/syscall/board_image.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";
import { bytesOf, callNamed, calls } from "../../../lib/syscall/table.ts";

const call = (name: string) => callNamed(name) ?? assert.fail(name);
const policy = (rules: BoardPolicy["rules"] = [], unknown: BoardPolicy["unknown"] = { action: "allow" }): BoardPolicy => ({
  architecture: "x86_64",
  rules,
  unknown,
});
const viewOf = (board: Uint8Array<ArrayBuffer>) => new DataView(board.buffer);
const word = (board: Uint8Array<ArrayBuffer>, number: number) => viewOf(board).getUint32(boardAt.policy + number * 4, true);

/** A row, read back without the encoder's own tables of offsets. */
function rowOf(board: Uint8Array<ArrayBuffer>, number: number): { kinds: number[]; flags: number; sizes: number[] } {
  const at = 4096 + number * 32;
  const six = [0, 1, 2, 3, 4, 5];
  const view = viewOf(board);
  return {
    kinds: six.map((index) => view.getUint8(at + index)),
    flags: view.getUint16(at + 6, true),
    sizes: six.map((index) => view.getUint16(at + 8 + 2 * index, true)),
  };
}

for (const architecture of architectures) {
  Deno.test(`encodeBoard() writes the front, and a row for every call of ${architecture}`, () => {
    const board = encodeBoard({ ...policy(), architecture }, { spinUs: 50 });
    assert.equal(board.length, boardBytes);
    const zeros = Object.fromEntries(Object.keys(HeaderLayout.offsets).map((field) => [field, 0]));
    const front = Object.fromEntries(Object.entries(HeaderLayout.read(board)).map(([field, value]) => [field, Number(value)]));
    assert.deepEqual(front, { ...zeros, magic: Number(boardMagic), size: boardBytes, audit_arch: auditArch[architecture], spin_us: 50 });
    assert.equal(new TextDecoder().decode(board.subarray(0, 8)), "NFWBORD1");
    const byNumber = new Map(calls.map((each) => [each.numbers[architecture], each]));
    for (let number = 0; number < 512; number++) {
      const each = byNumber.get(number);
      const row = rowOf(board, number);
      const list = each?.arguments ?? [];
      assert.deepEqual(
        row.kinds,
        Array.from({ length: 6 }, (_, index) => index < list.length ? argumentCodes[list[index].kind] : 0),
        each?.name,
      );
      assert.deepEqual(row.sizes, Array.from({ length: 6 }, (_, index) => index < list.length ? bytesOf(list[index], architecture) : 0));
      const traits = Object.entries(rowFlags).filter(([, flag]) => row.flags & flag).map(([trait]) => trait);
      assert.deepEqual(new Set(traits), new Set(each?.traits.filter((trait) => trait !== "neverNotified")), each?.name);
    }
  });
}

Deno.test("encodeBoard() writes what fstat and openat are, byte for byte", () => {
  const x86 = encodeBoard(policy());
  const arm = encodeBoard({ ...policy(), architecture: "aarch64" });
  const forwardable = 512, repeatable = 64, opens = 1 + 2 + 4;
  assert.deepEqual(rowOf(x86, 5), { kinds: [5, 7, 0, 0, 0, 0], flags: forwardable + repeatable, sizes: [0, 144, 0, 0, 0, 0] });
  assert.deepEqual(rowOf(arm, 80), { kinds: [5, 7, 0, 0, 0, 0], flags: forwardable + repeatable, sizes: [0, 128, 0, 0, 0, 0] });
  assert.deepEqual(rowOf(x86, 257), { kinds: [2, 3, 10, 1, 0, 0], flags: forwardable + repeatable + opens, sizes: [0, 0, 0, 0, 0, 0] });
  assert.deepEqual(rowOf(arm, 56), rowOf(x86, 257));
});

Deno.test("encodeBoard() writes the policy of each call, and of those without a rule", () => {
  const board = encodeBoard(policy([
    { call: call("openat"), action: "inject" },
    { call: call("stat"), action: "forward" },
    { call: call("ptrace"), action: "deny", errno: "EPERM" },
    { call: call("unlink"), action: "handle" },
    { call: call("getpid"), action: "record" },
    { call: call("getppid"), action: "allow" },
  ], { action: "deny", errno: "ENOSYS" }));
  assert.deepEqual([257, 4, 101, 87, 39, 110, 400].map((number) => word(board, number)), [1, 1, 2 | 1 << 16, 3, 4, 0, 2 | 38 << 16]);
});

Deno.test("encodeBoard() leaves out rules of calls that the architecture has not", () => {
  const rules = [{ call: call("open"), action: "forward" as const }];
  const board = encodeBoard({ ...policy(rules), architecture: "aarch64" });
  assert(Array.from({ length: 512 }, (_, number) => word(board, number)).every((each) => each === 0));
});

Deno.test("encodeBoard() takes what resolvePolicy() makes", () => {
  for (const architecture of architectures) {
    const made = resolvePolicy({ profile: "full", switches: ["mkdirat=deny:EDQUOT"] }, architecture);
    const board = encodeBoard(made);
    assert.equal(word(board, call("mkdirat").numbers[architecture]!), 2 | 122 << 16);
    for (const rule of made.rules) assert.equal(word(board, rule.call.numbers[architecture]!), policyWord(rule, rule.call.name));
  }
});

Deno.test("encodeBoard() refuses times to poll that cannot be", () => {
  for (const spinUs of [-1, 0.5, NaN, Infinity, 1_000_001]) {
    assert.throws(() => encodeBoard(policy(), { spinUs }), (error) => error instanceof UsageError && /Cannot poll for/.test(error.message));
  }
  assert.equal(HeaderLayout.read(encodeBoard(policy(), { spinUs: 1_000_000 })).spin_us, 1_000_000);
});

Deno.test("policyWord() refuses errors that there are not, and deny without one", () => {
  assert.throws(() => policyWord({ action: "deny", errno: "ENOSY" }, "openat"), {
    name: "UsageError",
    message: 'Cannot deny openat: "ENOSY" is no error of the kernel; did you mean "ENOSYS"?',
  });
  assert.throws(() => policyWord({ action: "deny" }, "openat"), { name: "UsageError", message: "Cannot deny openat: no error is named" });
  assert.equal(policyWord({ action: "allow", errno: "EPERM" }, "openat"), 0);
});
