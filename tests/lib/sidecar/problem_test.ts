import assert from "node:assert/strict";
import { Problem, problemOf } from "../../../lib/sidecar/problem.ts";

Deno.test("a Problem answers with its status, and a document that says what would be right", async () => {
  const response = new Problem(409, "Cannot do it: it is so", "Do it otherwise").response();
  assert.deepEqual([response.status, response.headers.get("content-type"), response.headers.get("connection")], [
    409,
    "application/problem+json",
    null,
  ]);
  assert.deepEqual(await response.json(), { status: 409, title: "Conflict", detail: "Cannot do it: it is so", remedy: "Do it otherwise" });
  assert.deepEqual(new Problem(400, "Cannot").details(), { status: 400, title: "Bad request", detail: "Cannot" });
});

Deno.test("problemOf() tells the client nothing of an error that is ours, and ends the connection", async () => {
  const problem = problemOf(new Error("password in /root/secret"));
  const response = problem.response();
  assert.deepEqual([response.status, response.headers.get("connection")], [500, "close"]);
  assert.doesNotMatch(await response.text(), /password|secret/);
  assert.equal(problemOf(problem), problem);
});
