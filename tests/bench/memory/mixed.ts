import { type Group, inTurns } from "../measure.ts";
import { pagesNote, preloaded, type Programs } from "./programs.ts";

const rounds = 15;
const steps = 200_000;

const patterns: Readonly<Record<string, string>> = {
  random: "any of 2000 live blocks goes next, one thread",
  fifo: "the oldest goes next, one thread",
  lifo: "the youngest goes next, one thread",
  pair: "each is freed at once, one thread",
  two: "any goes next, two threads",
  crossing: "one thread allocates, another frees",
};

/** Allocating and freeing blocks of 16 B to 1 MiB, beside glibc's malloc in the same rounds. */
export function benchMixed(programs: Programs): Group[] {
  return Object.entries(patterns).map(([pattern, words]) => {
    const measure = (allocator: string, env = {}) => () => programs.numbers(["./mixed", allocator, pattern, `${steps}`], env)[0];
    const ways = {
      "glibc malloc": measure("libc"),
      "nodeos arena": measure("arena"),
      "nodeos preload": measure("libc", preloaded),
    };
    return {
      title: `A malloc and its free, 16 B to 1 MiB, most of them small: ${words}`,
      series: inTurns(ways, rounds),
      notes: [`CPU time. Each run is the mean of ${steps} in a process of its own, after as many to warm up. ${pagesNote}`],
    };
  });
}
