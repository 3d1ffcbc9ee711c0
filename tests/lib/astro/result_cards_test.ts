import assert from "node:assert/strict";
import { readCube } from "../../../lib/astro/cube.ts";
import { resultCards } from "../../../lib/astro/result_cards.ts";
import { fitsImage } from "../../../lib/fits/write.ts";
import { inDirectory } from "./plain.ts";

Deno.test("resultCards() say what an image is made of, and keep where in the sky it is", () =>
  inDirectory((directory) => {
    const paths = [60001.5, 60000.25].map((mjd, index) => {
      const cards = [
        { keyword: "MJD-OBS", value: mjd },
        { keyword: "CRVAL1", value: 10.5 + index, comment: "degrees" },
        { keyword: "CTYPE1", value: "RA---TAN" },
        { keyword: "CD1_2", value: -1e-5 },
        { keyword: "EXPTIME", value: 30 },
        { keyword: "A_0_2", value: 1e-7 },
      ];
      Deno.writeFileSync(`${directory}/${index}.fits`, fitsImage({ bitpix: 8, axes: [1, 1], cards }, [1]));
      return `${directory}/${index}.fits`;
    });
    assert.deepEqual(resultCards(readCube([null, ...paths]), undefined, "median"), [
      { keyword: "NCOMBINE", value: 2, comment: "layers that it is made of" },
      { keyword: "MJD-BEG", value: 60000.25, comment: "the first layer" },
      { keyword: "MJD-END", value: 60001.5, comment: "the last layer" },
      { keyword: "CRVAL1", value: 10.5, comment: "degrees" },
      { keyword: "CTYPE1", value: "RA---TAN", comment: "" },
      { keyword: "CD1_2", value: -1e-5, comment: "" },
      { keyword: "A_0_2", value: 1e-7, comment: "" },
      { keyword: "HISTORY", comment: "median" },
    ]);
  }));
