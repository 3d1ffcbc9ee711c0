import assert from "node:assert/strict";
import { SpecPlaces } from "../../../lib/container/spec_places.ts";

Deno.test("SpecPlaces gives the value, the key to who prefers it, and the nearest map around what is missing", () => {
  const places = new SpecPlaces();
  places.note([], 0, 0);
  places.note(["containers"], 14, 2);
  places.note(["containers", 0], 16, 14);
  assert.equal(places.offset(["containers", 0]), 16);
  assert.equal(places.offset(["containers", 0, "memory", "limit"]), 16);
  assert.equal(places.offset(["service"]), 0);
  places.preferKey(["containers"]);
  assert.equal(places.offset(["containers"]), 2);
  assert.equal(places.offset(["containers", 1]), 2);
});

Deno.test("SpecPlaces tells an index from a key of the same digits", () => {
  const places = new SpecPlaces();
  places.note(["a", "0"], 5, 5);
  assert.equal(places.offset(["a", 0]), 0);
  assert.equal(places.offset(["a", "0"]), 5);
});
