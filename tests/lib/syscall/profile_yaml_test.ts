import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../../lib/errors.ts";
import { YamlFile } from "../../../lib/syscall/profile_yaml.ts";

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof UsageError, `${error}`);
    return error.message;
  }
  return assert.fail("accepted");
}

const text = 'name: x\n# words\nallow:\n  - a\n  - "@b"\ndeny: [c,\n  d]\n';

Deno.test("YamlFile knows the value of a file, and where its parts stand", () => {
  const file = new YamlFile(text, "x.yaml");
  assert.deepEqual(file.value, { name: "x", allow: ["a", "@b"], deny: ["c", "d"] });
  const paths = [["name"], ["allow", 1], ["deny", 0], ["deny", 1]];
  assert.deepEqual(paths.map((path) => file.place(path)), ["x.yaml:1:7", "x.yaml:5:5", "x.yaml:6:8", "x.yaml:7:3"]);
});

Deno.test("YamlFile places what is missing where it would be", () => {
  const file = new YamlFile(text, "x.yaml");
  assert.equal(file.place(["doc"]), "x.yaml:1:1");
  assert.equal(file.place(["deny", 9, 3]), "x.yaml:6:7");
  assert.equal(new YamlFile("", "x.yaml").place(["doc"]), "x.yaml:1:1");
});

Deno.test("YamlFile reports everything that is wrong in the order of the file, as far as it fits a screen", () => {
  const file = new YamlFile(text, "x.yaml");
  const issues = [{ path: ["deny", 1], message: "late" }, { path: ["name"], message: "early", remedy: "Do better" }];
  assert.equal(
    file.error(issues).message,
    "Cannot use this profile:\n  x.yaml:1:7: early\n    Do better\n  x.yaml:7:3: late",
  );
  const many = Array.from({ length: 20 }, () => ({ path: ["name"], message: "no" }));
  const lines = file.error(many).message.split("\n");
  assert.equal(lines.length, 10);
  assert.equal(lines[9], "  ... and 12 more");
});

Deno.test("YamlFile says where text is no YAML, and how to mend it", () => {
  assert.equal(
    message(() => new YamlFile("allow:\n  - @path\n", "x.yaml")),
    'Cannot use this profile:\n  x.yaml:2:5: Plain value cannot start with reserved character @\n    Put groups in quotes, as in "@path"',
  );
  assert.match(message(() => new YamlFile("a: 1\na: 2\n", "x.yaml")), /x\.yaml:2:1: .*unique\n {4}Keep one of them/);
  assert.match(message(() => new YamlFile("a: [", "x.yaml")), /x\.yaml:1:5: .*\n {4}Write it as YAML 1\.2/);
  assert.match(message(() => new YamlFile("a: !!js 1", "x.yaml")), /x\.yaml:1:4: /);
});

Deno.test("YamlFile has no aliases, so that a short file stays short", () => {
  assert.match(message(() => new YamlFile("a: &x [b]\nc: *x\n", "x.yaml")), /x\.yaml:2:4: profiles have no aliases/);
});

Deno.test("YamlFile refuses large and deep files without getting lost in them", () => {
  assert.match(message(() => new YamlFile("#".repeat(70_000), "x.yaml")), /larger than 64 KiB/);
  for (const part of ["[", "{a: ", "- "]) message(() => new YamlFile(part.repeat(15_000), "x.yaml"));
});

Deno.test("YamlFile carries no control characters of a file to a terminal", () => {
  assert.ok(!message(() => new YamlFile("a: \u001b[2J: b", "x\u001b.yaml")).includes("\u001b"));
});

Deno.test("YamlFile takes any text, or refuses it by a UsageError", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."ab:-[]{}&*!|>'\"#%@, \n\t\u0000") }), (text) => {
    try {
      new YamlFile(text, "x.yaml").place(["a", 0]);
    } catch (error) {
      assert.ok(error instanceof UsageError, `${error}`);
    }
  }));
});
