import assert from "node:assert/strict";
import fc from "fast-check";
import { formatPath, parseName, SpecError, type SpecIssue } from "../../../lib/container/spec.ts";
import { NodeosError, UsageError } from "../../../lib/errors.ts";

Deno.test("parseName() takes letters, digits, '_', '-' and single '.'", () => {
  for (const name of ["sim", "a", "0", "run-12.3", "A_b-c.d", "x".repeat(48)]) assert.equal(parseName(name), name);
});

Deno.test("parseName() refuses what would leave its directory or its command line", () => {
  const names = [
    "",
    ".",
    "..",
    "a..b",
    "../x",
    "a/b",
    "/",
    "-a",
    "_a",
    ".a",
    "a b",
    "a\n",
    "a\0",
    "ä",
    "x".repeat(49),
    "x".repeat(100_000),
    "$(id)",
    "a;b",
    "a*",
  ];
  for (const name of names) {
    assert.throws(
      () => parseName(name),
      (error) => error instanceof UsageError && error.message.length < 300 && /letters/.test(error.remedy!),
      name.slice(0, 60),
    );
  }
});

Deno.test("parseName() keeps the ServiceOS's name, and says so", () => {
  assert.throws(() => parseName("service"), (error) => error instanceof UsageError && /ServiceOS/.test(error.remedy!));
  assert.equal(parseName("services"), "services");
});

Deno.test("parseName() lets through nothing that a path or a shell would take apart", () => {
  fc.assert(fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (text) => {
    try {
      assert.match(parseName(text), /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }));
});

Deno.test("formatPath() writes a path as people do", () => {
  assert.equal(formatPath(["containers", 0, "memory", "nodes"]), "containers[0].memory.nodes");
  assert.equal(formatPath(["service"]), "service");
  assert.equal(formatPath([]), "specification");
});

const issue = (number: number, kind: SpecIssue["kind"] = "usage"): SpecIssue => ({
  path: ["containers", number],
  message: `issue ${number}`,
  remedy: `remedy ${number}`,
  kind,
});

Deno.test("SpecError says for every issue where it is and what would be right", () => {
  const error = new SpecError([issue(0), { path: [], message: "it is odd", kind: "usage" }]);
  assert.equal(error.message, "Cannot use this specification:\n  containers[0]: issue 0\n    remedy 0\n  specification: it is odd");
  assert.equal(new SpecError([issue(3)], (path) => `x.yaml:${path[1]}:1`).message.split("\n")[1], "  x.yaml:3:1: issue 3");
});

Deno.test("SpecError is a matter of usage, unless every issue is one of the moment", () => {
  assert.equal(new SpecError([issue(0)]).exitCode, 2);
  assert.equal(new SpecError([issue(0, "refused"), issue(1)]).exitCode, 2);
  assert.equal(new SpecError([issue(0, "refused"), issue(1, "refused")]).exitCode, 1);
  assert.ok(new SpecError([issue(0)]) instanceof NodeosError);
});

Deno.test("SpecError fits on a screen, says how many are left out, and still carries all", () => {
  const issues = Array.from({ length: 100 }, (_, index) => issue(index));
  const error = new SpecError(issues);
  assert.ok(error.message.split("\n").length <= 18);
  assert.match(error.message, /\.\.\. and 92 more$/);
  assert.equal(error.issues.length, 100);
});
