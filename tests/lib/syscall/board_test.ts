import assert from "node:assert/strict";
import { NoSuchObjectError, NotRunningError, RefusedError, UsageError } from "../../../lib/errors.ts";
import { hostArchitecture } from "../../../lib/syscall/arch.ts";
import { Board } from "../../../lib/syscall/board.ts";
import { boardAt, boardBytes } from "../../../lib/syscall/board_layout.ts";
import { callNamed, callNumbered } from "../../../lib/syscall/table.ts";
import { checkout } from "../../host.ts";
import { BoardFile } from "./board_file.ts";
import { compilers } from "./compilers.ts";

const openat = 257;

/** A word of the policy as it stands in the file. */
function wordIn(path: string, number: number): number {
  return new DataView(Deno.readFileSync(path).buffer).getUint32(boardAt.policy + number * 4, true);
}

Deno.test("Board reads a new board: nothing runs, nothing came, everything is allowed", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  assert.equal(board.architecture, "x86_64");
  assert.deepEqual(board.state(), {
    architecture: "x86_64",
    keeperPid: 0,
    keeperStartTicks: 0,
    forwarderPid: null,
    forwarderStarts: 0,
    sidecarPid: null,
    sidecarStarts: 0,
    threads: 0,
    listeners: 0,
    spinUs: 0,
    refusalCount: 0,
    handlers: 0,
  });
  assert.deepEqual(board.counters(), {});
  assert.deepEqual(board.journal(), []);
  assert.deepEqual(board.refusals(), { refusals: [], lost: 0 });
  assert.deepEqual(board.rules(), Array.from({ length: 512 }, () => ({ action: "allow" })));
});

Deno.test("Board sees what changes after it was opened", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  file.header({ forwarder_pid: 12, handlers: 3n }).counter(openat, { calls: 5n, forwarded: 4n, stale: 1n }).slot(7, {
    state: 1,
    call: openat,
  });
  assert.equal(board.state().forwarderPid, 12);
  assert.equal(board.state().handlers, 3);
  assert.equal(board.counters().openat.forwarded, 4);
  assert.deepEqual(board.journal().map(({ slot, state, call }) => ({ slot, state, call })), [{
    slot: 7,
    state: "received",
    call: "openat",
  }]);
});

Deno.test("Board.setRule() writes the action and its error, and nothing beside them", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  const before = Deno.readFileSync(file.path);
  const steps = [
    [["deny", "ENOSYS"], 2 | 38 << 16, { action: "deny", errno: "ENOSYS" }],
    [["deny", "EPERM"], 2 | 1 << 16, { action: "deny", errno: "EPERM" }],
    [["forward"], 1, { action: "inject" }],
    [["deny", "EHWPOISON"], 2 | 133 << 16, { action: "deny", errno: "EHWPOISON" }],
    [["handle"], 3, { action: "handle" }],
    [["record"], 4, { action: "record" }],
    [["inject"], 1, { action: "inject" }],
    [["allow", "EPERM"], 0, { action: "allow" }],
  ] as const;
  for (const [[action, errno], word, rule] of steps) {
    board.setRule(openat, action, errno);
    assert.equal(wordIn(file.path, openat), word, `${action} ${errno}`);
    assert.deepEqual(board.rule(openat), rule);
    assert.deepEqual(board.rules()[openat], rule);
  }
  assert.deepEqual(Deno.readFileSync(file.path), before);
});

Deno.test("Board.setRule() reaches the first and the last number, and refuses others", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  for (const number of [0, 511]) {
    board.setRule(number, "deny", "EIO");
    assert.equal(wordIn(file.path, number), 2 | 5 << 16);
  }
  const before = Deno.readFileSync(file.path);
  for (const number of [-1, 512, 1.5, NaN]) {
    assert.throws(() => board.setRule(number, "allow"), {
      name: "RangeError",
      message: /^Cannot find the rule of call .*: numbers are from 0 to 511$/,
    });
    assert.throws(() => board.rule(number), RangeError);
  }
  assert.throws(() => board.setRule(openat, "deny"), UsageError);
  assert.throws(() => board.setRule(openat, "deny", "EFOO"), { message: /^Cannot deny call 257: "EFOO" is no error of the kernel/ });
  assert.deepEqual(Deno.readFileSync(file.path), before);
});

Deno.test("Board that is open for reading only reads, and does not write", () => {
  using file = new BoardFile("x86_64");
  const board = file.open({ readOnly: true });
  assert.deepEqual(board.rule(openat), { action: "allow" });
  assert.throws(() => board.setRule(openat, "forward"));
  assert.equal(wordIn(file.path, openat), 0);
});

Deno.test("Board.refusals() gives those after a number, and says how many were overwritten", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  for (let number = 1; number <= 3; number++) file.refusal(number, { call: 101, tid: number, error: 1 });
  file.header({ refusal_count: 3n });
  const numbers = (since?: number) => board.refusals(since).refusals.map(({ number }) => number);
  assert.deepEqual(numbers(), [1, 2, 3]);
  assert.deepEqual(numbers(2), [3]);
  assert.deepEqual(numbers(3), []);
  assert.deepEqual(board.refusals(99), { refusals: [], lost: 0 });
  assert.deepEqual([board.refusals(2).refusals[0].call, board.refusals(2).refusals[0].errno], ["ptrace", "EPERM"]);

  for (let number = 4; number <= 300; number++) file.refusal(number);
  file.header({ refusal_count: 300n });
  const all = board.refusals(10);
  assert.deepEqual([all.lost, all.refusals.length, all.refusals[0].number, all.refusals[255].number], [34, 256, 45, 300]);
  assert.deepEqual(board.refusals(299), { refusals: [all.refusals[255]], lost: 0 });
});

Deno.test("Board.refusals() stops before one that is being written, and comes to it later", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  // The forwarder has taken the numbers 2 and 3. The place of 2 still has what was there before.
  file.refusal(1).refusal(2, { number: 0n }).refusal(3).header({ refusal_count: 3n });
  assert.deepEqual(board.refusals().refusals.map(({ number }) => number), [1]);
  file.refusal(2);
  assert.deepEqual(board.refusals(1).refusals.map(({ number }) => number), [2, 3]);
});

Deno.test("Board.refusals() passes one that nobody will finish any more", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  for (let number = 2; number <= 9; number++) file.refusal(number);
  file.header({ refusal_count: 9n });
  const { refusals, lost } = board.refusals();
  assert.deepEqual([refusals.map(({ number }) => number), lost], [[2, 3, 4, 5, 6, 7, 8, 9], 1]);
});

Deno.test("Board refuses files that are no board", () => {
  using file = new BoardFile("x86_64");
  const refused = (message: RegExp, remedy?: RegExp) =>
    assert.throws(() => new Board(file.path), (error) => {
      assert(error instanceof RefusedError);
      assert.match(error.message, message);
      if (remedy) assert.match(error.remedy ?? "", remedy);
      return true;
    });
  const changed = (at: number, byte: number) => file.save(file.bytes.map((old, index) => index === at ? byte : old));
  file.save(new Uint8Array());
  refused(/^Cannot use the board .*\/board: it is no board$/);
  changed(0, 0x58);
  refused(/: it is no board$/);
  changed(7, "2".charCodeAt(0));
  refused(/: it is of version "2", and not "1"$/, /the nodeos that started the container/);
  changed(8, 1);
  refused(/: it has \d+ bytes, and not \d+$/);
  file.save(file.bytes.slice(0, -1));
  refused(new RegExp(`: it has ${boardBytes - 1} bytes, and not ${boardBytes}$`));
  changed(12, 0x99);
  refused(/: it is for the unknown architecture 0xc0000099$/);
  file.save();
  assert.equal(file.open().architecture, "x86_64");
});

Deno.test("Board refuses a path where there is none", () => {
  using file = new BoardFile("x86_64");
  assert.throws(() => new Board(`${file.path}/x`), Error);
  assert.throws(() => new Board(`${file.path}x`), (error) => error instanceof NoSuchObjectError && /: there is none$/.test(error.message));
});

Deno.test("Board says that the container ended when its file was removed, also when there is a new one", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  Deno.removeSync(file.path);
  const gone = (error: unknown) => error instanceof NotRunningError && /: it was removed, because the container ended$/.test(error.message);
  for (const ask of [() => board.state(), () => board.counters(), () => board.rules(), () => board.journal(), () => board.refusals()]) {
    assert.throws(ask, gone);
  }
  file.save();
  assert.throws(() => board.setRule(openat, "forward"), gone);
  assert.equal(wordIn(file.path, openat), 0);
});

Deno.test("Board says so when its file became shorter", () => {
  using file = new BoardFile("x86_64");
  const board = file.open();
  Deno.truncateSync(file.path, boardAt.counters + 10);
  assert.equal(board.state().keeperPid, 0);
  assert.throws(() => board.counters(), { name: "RefusedError", message: new RegExp(`: it ends after ${boardAt.counters + 10} bytes$`) });
});

Deno.test("Board may be disposed twice", () => {
  using file = new BoardFile("x86_64");
  const board = new Board(file.path);
  board[Symbol.dispose]();
  board[Symbol.dispose]();
});

/** Maps the board, writes one of everything, says so, and for each line that comes says a policy word. */
const forwarder = String.raw`
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "board.h"

int main(int argc, char **argv) {
        int fd = open(argv[argc - 1], O_RDWR);
        char *at = mmap(NULL, NODEOS_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED)
                return 1;
        struct nodeos_board *board = (void *) at;
        struct nodeos_counter *counters = (void *) (at + NODEOS_BOARD_COUNTERS_AT);
        struct nodeos_journal *journal = (void *) (at + NODEOS_BOARD_JOURNAL_AT);
        struct nodeos_refusal *refusals = (void *) (at + NODEOS_BOARD_REFUSALS_AT);
        uint32_t *policy = (void *) (at + NODEOS_BOARD_POLICY_AT);

        if (board->magic != NODEOS_BOARD_MAGIC || board->size != NODEOS_BOARD_SIZE)
                return 2;
        board->keeper_pid = 11;
        board->keeper_start_ticks = 12;
        board->forwarder_pid = 13;
        board->forwarder_starts = 14;
        board->sidecar_pid = 15;
        board->sidecar_starts = 16;
        board->threads = 17;
        board->listeners = 18;
        board->spin_us = 19;
        board->handlers = 20;
        board->refusal_count = 1;
        counters[CALL] = (struct nodeos_counter) { .calls = 21, .forwarded = 22, .returned = 23, .allowed = 24, .denied = 25, .handled = 26,
                .stale = 27, .failed = 28, .total_ns = 29, .buckets = { 30, [NODEOS_BOARD_BUCKETS - 1] = 31 } };
        journal[NODEOS_BOARD_SLOTS - 1] = (struct nodeos_journal) { .state = NODEOS_JOURNAL_ANSWERED, .listener = 32, .id = 33, .call = CALL,
                .tid = 34, .arguments = { 35, 0, 0, 0, 0, 36 }, .result = -37, .received_ns = 38 };
        refusals[1] = (struct nodeos_refusal) { .number = 1, .time_ns = 39000000, .call = CALL, .tid = 40, .error = 41 - 3, .listener = 42,
                .command = "simulation" };
        puts("written");
        fflush(stdout);
        for (int number; scanf("%d", &number) == 1; fflush(stdout))
                printf("%u\n", policy[number]);
        return 0;
}
`;

const host = hostArchitecture();
const { compiler, note } = host === null ? { compiler: null, note: " [needs a known architecture]" } : compilers[host];

Deno.test({
  name: `Board and a C program that has it mapped see what the other writes${note}`,
  ignore: compiler === null,
  async fn() {
    using file = new BoardFile(host!);
    const call = callNamed("openat")!.numbers[host!]!;
    const program = `${file.path}.program`;
    await compiler!.compile(forwarder, `-I${checkout}ffi/native`, `-DCALL=${call}`, "-o", program);
    await using child = new Deno.Command(program, { args: [file.path], stdin: "piped", stdout: "piped" }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const writer = child.stdin.getWriter();
    assert.equal((await lines.read()).value, "written\n");

    const board = file.open();
    assert.deepEqual(Object.values(board.state()), [host, 11, 12, 13, 14, 15, 16, 17, 18, 19, 1, 20]);
    const { openat } = board.counters();
    const { buckets, p50Ns, p99Ns, ...counts } = openat;
    assert.deepEqual(Object.values(counts), [21, 22, 23, 24, 25, 26, 27, 28, 29]);
    assert.deepEqual(buckets, [30, ...Array(22).fill(0), 31]);
    assert.deepEqual([p50Ns! > 2 ** 30, p99Ns], [true, 2 ** 31]);
    assert.deepEqual(board.journal(), [{
      slot: 511,
      state: "answered",
      listener: 32,
      id: 33n,
      call: "openat",
      tid: 34,
      arguments: [35n, 0n, 0n, 0n, 0n, 36n],
      result: -37n,
      receivedNs: 38n,
    }]);
    assert.deepEqual(board.refusals(), {
      refusals: [{
        number: 1,
        timeMs: 39,
        call: callNumbered(host!, call)!.name,
        tid: 40,
        errno: "ENOSYS",
        listener: 42,
        command: "simulation",
      }],
      lost: 0,
    });

    const wordInC = async () => {
      await writer.write(new TextEncoder().encode(`${call}\n`));
      return (await lines.read()).value;
    };
    assert.equal(await wordInC(), "0\n");
    board.setRule(call, "deny", "EDQUOT");
    assert.equal(await wordInC(), `${2 | 122 << 16}\n`);
    board.setRule(call, "forward");
    assert.equal(await wordInC(), "1\n");
    await writer.close();
    assert.equal((await lines.read()).done, true);
    assert.equal((await child.status).code, 0);
  },
});
