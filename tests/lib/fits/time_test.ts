import assert from "node:assert/strict";
import { readHeader } from "../../../lib/fits/header.ts";
import { observationTime, parseDate } from "../../../lib/fits/time.ts";
import { rawCard, rawHeader, sourceOf } from "./raw_file.ts";

for (
  const [text, mjd] of [
    ["1858-11-17", 0],
    ["1970-01-01", 40587],
    ["2000-01-01T12:00:00", 51544.5],
    ["2024-02-29T06:00:00.000Z", 60369.25],
    ["31/12/99", 51543],
    ["2016-12-31T23:59:60", 57754],
  ] as const
) {
  Deno.test(`parseDate() reads ${text}`, () => assert.equal(parseDate(text), mjd));
}

for (
  const text of [
    "",
    "2023-02-29",
    "2023-13-01",
    "2023-01-01T24:00:00",
    "2023-01-01T00:60:00",
    "32/01/99",
    "1/1/99",
    "2023",
    "2023-01-01 12:00",
  ]
) {
  Deno.test(`parseDate() does not take ${JSON.stringify(text)} for a date`, () => assert.equal(parseDate(text), null));
}

Deno.test("observationTime() takes MJD-OBS before DATE-OBS, and the image's header before the primary one", () => {
  const header = (...cards: string[]) => readHeader(sourceOf(rawHeader(...cards)), 0, 0);
  const [date, mjd] = [header("DATE-OBS= '2000-01-01'"), header("DATE-OBS= '2000-01-01'", rawCard("MJD-OBS", "60000.5"))];
  assert.equal(observationTime([mjd]), 60000.5);
  assert.equal(observationTime([date, mjd]), 51544);
  assert.equal(observationTime([header(), mjd]), 60000.5);
  assert.equal(observationTime([header("DATE-OBS= 'yesterday'", "MJD-OBS = 'x'")]), null);
});
