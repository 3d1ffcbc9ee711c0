import assert from "node:assert/strict";
import { constants } from "node:os";
import { errnoName, errnoNames, errnoNumber } from "../../../lib/syscall/errno.ts";

Deno.test("errnoNumber() has the numbers that the C library has", () => {
  const known = Object.entries(constants.errno);
  assert.ok(known.length > 70);
  for (const [name, number] of known) assert.equal(errnoNumber(name), number, name);
});

Deno.test("errnoNumber() knows no name that there is not, and nothing of objects", () => {
  for (const name of ["", "-", "EWHAT", "eperm", "toString", "__proto__"]) assert.equal(errnoNumber(name), undefined, name);
});

Deno.test("errnoName() inverts errnoNumber(), except for second names", () => {
  const second = errnoNames.filter((name) => errnoName(errnoNumber(name)!) !== name);
  assert.deepEqual(second, ["EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"]);
});

Deno.test("errnoName() names a number without a name by the number", () => {
  assert.deepEqual([0, 41, 58, 134, 4095].map(errnoName), ["E0", "E41", "E58", "E134", "E4095"]);
});
