/** Prints what the library of a graphics driver says of its cards, as JSON; see `graphics_cards.c`. */
import { SysError } from "../../ffi/errors.ts";
import { type CardFact, cards } from "../../ffi/cards.ts";
import { powerDriver } from "../../lib/plan/power.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";

const facts: CardFact[] = ["powerMilliwatts", "energyMillijoules", "limitMilliwatts", "limitMinMilliwatts", "limitMaxMilliwatts"];
const more: CardFact[] = ["limitDefaultMilliwatts", "temperatureDegrees", "clockMegahertz"];
const list = Array.from(
  { length: cards.count() },
  (_, card) => [cards.uuid(card), ...[...facts, ...more].map((fact) => cards.fact(card, fact))],
);
const kernel = new KernelRoot();
powerDriver.write(kernel, "nvml:GPU-0000-0", "200000");
const codes = [
  () => cards.setLimit(1, 200_000),
  () => cards.setLimit(2, 200_000),
  () => cards.setLimit(0, 0),
  () => cards.fact(-1, "powerMilliwatts"),
];
const refusals = codes.map((call) => {
  try {
    call();
    return "none";
  } catch (error) {
    return error instanceof SysError ? error.code : `${error}`;
  }
});
const limits = ["nvml:GPU-0000-0", "nvml:GPU-0000-1", "nvml:GPU-0000-7"].map((what) => powerDriver.read(kernel, what));
console.log(JSON.stringify({ list, refusals, limits }));
