import assert from "node:assert/strict";
import { NoSuchObjectError, RefusedError } from "../../../lib/errors.ts";
import { FitsFile } from "../../../lib/fits/file.ts";

Deno.test("FitsFile reads what there is", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, Uint8Array.of(1, 2, 3, 4, 5));
    using file = new FitsFile(path);
    assert.equal(file.bytes, 5);
    assert.deepEqual([...file.read(1, 2)], [2, 3]);
    assert.deepEqual([...file.read(3, 10)], [4, 5]);
    assert.deepEqual([...file.read(9, 10)], []);
    const into = new Uint8Array(4);
    assert.equal(file.readInto(2, into), 3);
    assert.deepEqual([...into], [3, 4, 5, 0]);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("FitsFile refuses what is no file, and closes what it opened", () => {
  assert.throws(() => new FitsFile("/nonexistent/a.fits"), NoSuchObjectError);
  assert.throws(() => new FitsFile("/tmp"), (error) => error instanceof RefusedError && /it is a directory$/.test(error.message));
});
