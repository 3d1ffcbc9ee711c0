import { check, errno, SysError } from "./errors.ts";
import { lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_nvml_count(void);
  nodeos_nvml_count: { parameters: [], result: "i32" },
  // int32_t nodeos_nvml_get(int32_t card, int32_t fact, int64_t *ret_value);
  nodeos_nvml_get: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  // int32_t nodeos_nvml_set_limit(int32_t card, int64_t milliwatts);
  nodeos_nvml_set_limit: { parameters: ["i32", "i64"], result: "i32" },
  // int32_t nodeos_nvml_uuid(int32_t card, uint8_t *ret_text, int32_t size);
  nodeos_nvml_uuid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

const cardFacts = {
  powerMilliwatts: 0,
  energyMillijoules: 1,
  limitMilliwatts: 2,
  limitMinMilliwatts: 3,
  limitMaxMilliwatts: 4,
  limitDefaultMilliwatts: 5,
  temperatureDegrees: 6,
  clockMegahertz: 7,
} as const;

/** What is known of a graphics card. */
export type CardFact = keyof typeof cardFacts;

/** Graphics cards that a driver's library knows. */
export interface Cards {
  /** How many there are; 0 without the library. */
  count(): number;
  /** The name that a card keeps for ever. */
  uuid(card: number): string;
  /** A fact, in the unit of its name; `null` when the card has none. */
  fact(card: number, fact: CardFact): number | null;
  /** Sets the power limit; needs root. */
  setLimit(card: number, milliwatts: number): void;
}

/** Those of the running machine, through `libnvidia-ml.so.1` when it is there. */
export const cards: Cards = {
  count() {
    const count = library().nodeos_nvml_count();
    if (count === -errno.ENOENT || count === -errno.ENODEV) return 0;
    return check(count, () => "count graphics cards");
  },
  uuid(card) {
    const text = new Uint8Array(96);
    const length = check(library().nodeos_nvml_uuid(card, text, text.length), () => `read the name of graphics card ${card}`);
    return new TextDecoder().decode(text.subarray(0, length - 1));
  },
  fact(card, fact) {
    const value = new BigInt64Array(1);
    const result = library().nodeos_nvml_get(card, cardFacts[fact], value);
    if (result === -errno.EOPNOTSUPP) return null;
    check(result, () => `read ${fact} of graphics card ${card}`);
    return Number(value[0]);
  },
  setLimit(card, milliwatts) {
    if (!Number.isInteger(milliwatts)) throw new SysError(`set a power limit of ${milliwatts} mW`, errno.EINVAL);
    const result = library().nodeos_nvml_set_limit(card, BigInt(milliwatts));
    check(result, () => `set the power limit of graphics card ${card} to ${milliwatts} mW`);
  },
};
