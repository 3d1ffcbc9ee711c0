import type { PackageParameters } from "./parameters.ts";
import type { Noise } from "./random.ts";

/** How much parts of one type differ: the standard deviations of switching power and of the logarithm of leakage. */
export const variations = {
  mild: { dynamic: 0.02, leakage: 0.1 },
  typical: { dynamic: 0.03, leakage: 0.13 },
  severe: { dynamic: 0.04, leakage: 0.2 },
} as const;

/** Draws one part of a type. */
export function drawPart(type: PackageParameters, noise: Noise, variation: keyof typeof variations = "typical"): PackageParameters {
  const { dynamic, leakage } = variations[variation];
  return {
    ...type,
    dynamicFactor: type.dynamicFactor * Math.max(0.85, 1 + dynamic * noise.normal()),
    staticFactor: type.staticFactor * Math.exp(leakage * noise.normal()),
  };
}
