import { FitsFile } from "../fits/file.ts";
import { readHdus } from "../fits/hdu.ts";
import { chooseImage } from "../fits/image.ts";
import type { CardToWrite } from "../fits/write.ts";
import type { Cube } from "./cube.ts";

/** What a stack keeps of its first image: where in the sky its pixels are, what was seen, by what. */
const kept = new RegExp(
  "^(?:OBJECT|TELESCOP|INSTRUME|FILTER|BUNIT|RADESYS|EQUINOX|WCSAXES|LONPOLE|LATPOLE" +
    "|(?:CTYPE|CRVAL|CRPIX|CDELT|CROTA|CUNIT)[12]|(?:CD|PC)[12]_[12]|P[VS][12]_\\d+|[AB]P?_(?:ORDER|DMAX|\\d_\\d))$",
);

/**
 * Cards for an image that was made of a cube: how many layers it is of, from when to when, and what the first image says of
 * the sky, since all are of the same piece.
 *
 * @param extension The image of each file, as the cube was made with.
 * @param how What was done, as one line.
 */
export function resultCards({ layers }: Cube, extension: string | undefined, how: string): CardToWrite[] {
  const present = layers.filter(({ path }) => path !== null);
  const times = present.flatMap(({ timeMjd }) => timeMjd ?? []);
  const cards: CardToWrite[] = [{ keyword: "NCOMBINE", value: present.length, comment: "layers that it is made of" }];
  if (times.length > 0) {
    cards.push({ keyword: "MJD-BEG", value: times.reduce((a, b) => Math.min(a, b)), comment: "the first layer" });
    cards.push({ keyword: "MJD-END", value: times.reduce((a, b) => Math.max(a, b)), comment: "the last layer" });
  }
  return [...cards, ...skyCards(present[0].path!, extension), { keyword: "HISTORY", comment: how }];
}

function skyCards(path: string, extension: string | undefined): CardToWrite[] {
  using file = new FitsFile(path);
  const { hdu } = chooseImage(readHdus(file), path, extension);
  return hdu.header.cards.flatMap(({ keyword, value, comment }): CardToWrite[] => {
    const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
    return isPlain && kept.test(keyword) ? [{ keyword, value, comment }] : [];
  });
}
