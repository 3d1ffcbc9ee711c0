import { SpecError, type SpecPath } from "../lib/container/spec.ts";

/** Runs something and gives a `SpecError` of it the places of the file that the request came from. */
export async function relocate<T>(locate: (path: SpecPath) => string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    // By name: an installed command holds the class twice, once for what runs first and once for the rest.
    throw error instanceof Error && error.name === "SpecError" ? new SpecError((error as SpecError).issues, locate) : error;
  }
}
