import { auditArch } from "./arch.ts";
import { choose, codes, encode, end, type Instruction, instructionsMax, load, offsets, results } from "./bpf.ts";
import { errnoNumber } from "./errno.ts";
import { noSuchCall, type Policy } from "./rules.ts";
import type { Verdict } from "./switches.ts";

/** On x86-64, numbers from here on are of x32, a second table. */
const x32Bit = 0x40000000;

/** Numbers from `first` on end with one result, up to the next range. */
interface Range {
  readonly first: number;
  readonly result: number;
}

/**
 * Compiles a policy to the filter that the kernel runs at every system call of a program, in classic BPF.
 *
 * It reads the architecture and the number of a call, never an argument: so the kernel can see which calls are always
 * allowed, keeps a bit for each, and does not run the filter for them at all (since Linux 5.11). All others take a
 * binary search. Calls of other architectures and of x32 are refused with ENOSYS.
 *
 * @returns `struct sock_filter` by `struct sock_filter`.
 */
export function compileFilter(policy: Policy): Uint8Array<ArrayBuffer> {
  const refused = [end(errorResult(noSuchCall))];
  const search = searchTree(rangesOf(policy));
  const ours = policy.architecture === "x86_64" ? choose(codes.jumpAtLeast, x32Bit, refused, search) : search;
  const program = [
    load(offsets.architecture),
    ...choose(codes.jumpEqual, auditArch[policy.architecture], [load(offsets.number), ...ours], refused),
  ];
  if (program.length > instructionsMax) {
    throw new RangeError(`Cannot filter with ${program.length} instructions: ${instructionsMax} is the most`);
  }
  return encode(program);
}

/** Neighbours with one result together; what no rule is about, between them and behind them, is unknown. */
function rangesOf({ architecture, rules, unknown }: Policy): Range[] {
  const others = resultOf(unknown);
  const ranges: Range[] = [{ first: 0, result: others }];
  const add = (range: Range) => {
    if (ranges[ranges.length - 1].first === range.first) ranges.pop();
    if (ranges[ranges.length - 1]?.result !== range.result) ranges.push(range);
  };
  for (const { call, notified, ...verdict } of rules) {
    const first = call.numbers[architecture]!;
    add({ first, result: notified ? results.notify : resultOf(verdict) });
    add({ first: first + 1, result: others });
  }
  return ranges;
}

/** Halves the ranges until one is left: as many comparisons as the logarithm of their number. */
function searchTree(ranges: readonly Range[]): Instruction[] {
  if (ranges.length === 1) return [end(ranges[0].result)];
  const middle = ranges.length >> 1;
  return choose(codes.jumpAtLeast, ranges[middle].first, searchTree(ranges.slice(middle)), searchTree(ranges.slice(0, middle)));
}

function resultOf({ action, errno }: Verdict): number {
  if (action === "allow") return results.allow;
  if (action === "deny" && errno !== undefined) return errorResult(errno);
  throw new TypeError(`Cannot ${action} in the filter: only allow and deny need nobody to answer`);
}

function errorResult(name: string): number {
  const number = errnoNumber(name);
  if (number === undefined) throw new TypeError(`Cannot deny with ${JSON.stringify(name)}: Linux has no such error`);
  return results.error | number;
}
