import assert from "node:assert/strict";
import { architectures } from "../../../lib/syscall/arch.ts";
import * as layout from "../../../lib/syscall/board_layout.ts";
import { checkout } from "../../host.ts";
import { compilers } from "./compilers.ts";

const structs = {
  nodeos_board: layout.HeaderLayout,
  nodeos_row: layout.rowLayout,
  nodeos_counter: layout.CounterLayout,
  nodeos_journal: layout.JournalLayout,
  nodeos_refusal: layout.RefusalLayout,
};

const numbers: Record<string, number> = {
  NODEOS_BOARD_CALLS: layout.boardCount.calls,
  NODEOS_BOARD_SLOTS: layout.boardCount.slots,
  NODEOS_BOARD_REFUSALS: layout.boardCount.refusals,
  NODEOS_BOARD_BUCKETS: layout.boardCount.buckets,
  NODEOS_BOARD_ROWS_AT: layout.boardAt.rows,
  NODEOS_BOARD_POLICY_AT: layout.boardAt.policy,
  NODEOS_BOARD_COUNTERS_AT: layout.boardAt.counters,
  NODEOS_BOARD_JOURNAL_AT: layout.boardAt.journal,
  NODEOS_BOARD_REFUSALS_AT: layout.boardAt.refusals,
  NODEOS_BOARD_SIZE: layout.boardBytes,
  ...codes("NODEOS_ARGUMENT", layout.argumentCodes),
  NODEOS_ARGUMENT_NONE: 0,
  ...codes("NODEOS_ROW", layout.rowFlags),
  ...codes("NODEOS_ACTION", Object.fromEntries(layout.actionOfCode.map((action, code) => [action, code]))),
  ...codes("NODEOS_JOURNAL", Object.fromEntries(layout.journalStates.map((state, code) => [state, code]))),
};

/** Names as C has them: inSized is IN_SIZED. */
function codes(prefix: string, table: Readonly<Record<string, number>>): Record<string, number> {
  const name = (word: string) => `${prefix}_${word.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
  return Object.fromEntries(Object.entries(table).map(([word, number]) => [name(word), number]));
}

const checks = [
  ["NODEOS_BOARD_MAGIC", `${layout.boardMagic}ULL`],
  ...Object.entries(numbers),
  ...Object.entries(structs).flatMap(([type, { size, offsets }]) => [
    [`sizeof(struct ${type})`, size],
    ...Object.entries(offsets).map(([field, offset]) => [`offsetof(struct ${type}, ${field})`, offset]),
  ]),
  [`sizeof(((struct nodeos_row *) 0)->kinds)`, layout.rowLayout.offsets.flags],
  [`sizeof(((struct nodeos_refusal *) 0)->command)`, 16],
];

for (const architecture of architectures) {
  const { compiler, note } = compilers[architecture];
  Deno.test({
    name: `the board's layout is the compiler's on ${architecture}${note}`,
    ignore: compiler === null,
    async fn() {
      const lines = checks.map(([expression, value]) => `_Static_assert(${expression} == ${value}, "${expression} is not ${value}");`);
      const source = ["#include <stddef.h>", '#include "board.h"', ...lines, ""].join("\n");
      await compiler!.compile(source, "-fsyntax-only", `-I${checkout}ffi/native`);
    },
  });
}

Deno.test("every field and code that board.h has is known here", () => {
  const header = Deno.readTextFileSync(`${checkout}ffi/native/board.h`).replace(/\/\*[\s\S]*?\*\//g, "");
  for (const [type, { offsets }] of Object.entries(structs)) {
    const [, body] = new RegExp(`struct ${type} \\{([^}]*)\\}`).exec(header) ?? assert.fail(type);
    const fields = body.split(";").flatMap((declaration) => /(\w+)(?:\[\w+\])?\s*$/.exec(declaration)?.[1] ?? []);
    assert.deepEqual(fields, Object.keys(offsets), type);
  }
  const constants = header.match(/\bNODEOS_(?:ARGUMENT|ROW|ACTION|JOURNAL)_\w+(?=\s*[=,}\n])/g) ?? [];
  const board = header.match(/\bNODEOS_BOARD_\w+(?= =)/g) ?? [];
  assert.deepEqual(new Set([...constants, ...board]), new Set(Object.keys(numbers)));
});

Deno.test("actions have the codes by which they are found", () => {
  for (const [action, code] of Object.entries(layout.actionCodes)) {
    assert.equal(layout.actionOfCode[code], action === "inject" ? "forward" : action);
  }
});
