import type { Kernel } from "./kernel.ts";
import { cannotBoot, type Variant, variants } from "./variant.ts";

/** One guest to boot. */
export interface Boot {
  /** Its kernel. */
  readonly kernel: Kernel;
  /** What kind of machine it is. */
  readonly variant: Variant;
  /** Paths of the test files that it runs, below the checkout; `[]` when it runs a program instead. */
  readonly tests: readonly string[];
}

/** The guests that a command line asks for. */
export interface BootPlan {
  /** In the order in which they should start. */
  readonly boots: readonly Boot[];
  /** One line for each that cannot be, and why. */
  readonly skips: readonly string[];
}

/**
 * The test files by the name of their variant: those of `tests/vm` are for `standard`, those of a directory in it for
 * the variant that has its name.
 *
 * @param root The checkout.
 * @param only What a path has to contain.
 * @throws {Error} If a directory with tests has the name of no variant: they would never run.
 */
export function findTests(root: string, only: string): Map<string, string[]> {
  const tests = new Map<string, string[]>();
  const add = (variant: string, directory: string) => {
    const paths = [...Deno.readDirSync(`${root}/${directory}`)].filter(({ name }) => name.endsWith("_test.ts"))
      .map(({ name }) => `${directory}/${name}`).sort();
    if (paths.length > 0 && !variants.some(({ name }) => name === variant)) {
      throw new Error(`Cannot run ${paths[0]}: there is no variant ${variant}; scripts/vm/variant.ts has them`);
    }
    const chosen = paths.filter((path) => path.includes(only));
    if (chosen.length > 0) tests.set(variant, chosen);
  };
  add("standard", "tests/vm");
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/tests/vm`)) if (isDirectory) add(name, `tests/vm/${name}`);
  return tests;
}

/** One boot for each kernel and variant, those with the most test files first: they take longest. */
export function planBoots(
  kernels: readonly Kernel[],
  variants: readonly Variant[],
  tests: ReadonlyMap<string, readonly string[]>,
): BootPlan {
  const boots: Boot[] = [];
  const skips: string[] = [];
  for (const variant of variants) {
    for (const kernel of kernels) {
      const reason = cannotBoot(variant, kernel.release);
      if (reason === null) boots.push({ kernel, variant, tests: tests.get(variant.name) ?? [] });
      else skips.push(`${variant.name} on ${kernel.release}: ${reason}`);
    }
  }
  return { boots: boots.sort((a, b) => b.tests.length - a.tests.length), skips };
}

/** Does something with every item, in their order, with at most `count` of them at once. Returns the results in that order. */
export async function atMost<Item, Result>(
  count: number,
  items: readonly Item[],
  body: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await body(items[index]);
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  return results;
}
