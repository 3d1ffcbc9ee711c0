import assert from "node:assert/strict";
import { readText, SpecText } from "../../../lib/container/spec_text.ts";
import { NoSuchObjectError, UsageError } from "../../../lib/errors.ts";

/** What is wrong with a file of these bytes. */
function refusalOf(bytes: Uint8Array<ArrayBuffer>): UsageError {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, bytes);
    readText(path);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error;
  } finally {
    Deno.removeSync(path);
  }
  return assert.fail("nothing was wrong");
}

Deno.test("SpecText.place() counts lines and columns from 1", () => {
  const text = new SpecText("a: 1\r\n  b: 2\n", "x.yaml");
  assert.equal(text.place(0), "x.yaml:1:1");
  assert.equal(text.place(3), "x.yaml:1:4");
  assert.equal(text.place(8), "x.yaml:2:3");
  assert.equal(text.place(13), "x.yaml:3:1");
});

Deno.test("SpecText.errorAt() shows the line, and marks the column", () => {
  const error = new SpecText("a: 1\n\tb: 2\n", "x.yaml").errorAt(6, "this is wrong", "Do it right");
  assert.equal(error.message, "Cannot read x.yaml:2:2: this is wrong\n     b: 2\n     ^");
  assert.equal(error.remedy, "Do it right");
});

Deno.test("SpecText.errorAt() shows the part of a long line that matters, and no line that is empty", () => {
  const text = new SpecText(`${"a".repeat(5000)}!${"b".repeat(5000)}\n\n`, "x.yaml");
  const [, line, mark] = text.errorAt(5000, "this is wrong").message.split("\n");
  assert.equal(line.length, 104);
  assert.equal(line[mark.indexOf("^")], "!");
  assert.equal(text.errorAt(10_002, "this is wrong").message, "Cannot read x.yaml:2:1: this is wrong");
});

Deno.test("SpecText refuses characters that are no text, and says where", () => {
  for (
    const [character, name] of [["\0", "U+0000"], ["\x1b", "U+001B"], ["\x7f", "U+007F"], ["\x9b", "U+009B"], ["\ud800", "U+D800"], [
      "\ufffe",
      "U+FFFE",
    ]]
  ) {
    assert.throws(
      () => new SpecText(`a: 1\nb: ${character}`, "x.yaml"),
      (error) => error instanceof UsageError && error.message.startsWith(`Cannot read x.yaml:2:4: there is a control character (${name})`),
    );
  }
  assert.equal(new SpecText("a:\t'\u{1f600} \u00e9'\r\n", "x.yaml").text.length, 11);
});

Deno.test("readText() reads a file, without its byte order mark", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "\ufeffa: 1\n");
    const { text, fileName } = readText(path);
    assert.equal(text, "a: 1\n");
    assert.equal(fileName, path);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("readText() of a file that is not there is no such object", () => {
  for (const path of ["/no/such.yaml", "", "/etc/passwd/x.yaml"]) {
    assert.throws(
      () => readText(path),
      (error) =>
        (error instanceof NoSuchObjectError || error instanceof UsageError) && /^Cannot read "/.test(error.message) &&
        /YAML file/.test(error.remedy!),
      path,
    );
  }
  assert.throws(() => readText("/no/such.yaml"), NoSuchObjectError);
});

Deno.test("readText() refuses a directory, a device without end, and a path that cannot be", () => {
  assert.throws(() => readText("/tmp"), (error) => error instanceof UsageError && /it is a directory/.test(error.message));
  assert.throws(() => readText("/dev/zero"), (error) => error instanceof UsageError && /larger than 1 MiB/.test(error.message));
  assert.throws(() => readText("a\0b"), UsageError);
});

Deno.test("readText() refuses what is not UTF-8, and more than 1 MiB", () => {
  assert.match(refusalOf(new Uint8Array([0x61, 0xff, 0xfe])).message, /not UTF-8/);
  assert.match(refusalOf(new Uint8Array([0xff, 0xfe, 0x61, 0])).message, /not UTF-8/);
  assert.match(refusalOf(new Uint8Array(2 ** 20 + 1).fill(0x23)).message, /larger than 1 MiB/);
});

Deno.test({
  name: "readText() says when a file may not be read [needs a user who is not root]",
  ignore: Deno.uid() === 0,
  fn() {
    const path = Deno.makeTempFileSync();
    Deno.chmodSync(path, 0);
    try {
      assert.throws(() => readText(path), (error) => error instanceof UsageError && /may not read/.test(error.message));
    } finally {
      Deno.removeSync(path);
    }
  },
});
