import { didYouMean } from "../errors.ts";
import { quote } from "../quote.ts";
import type { SpecIssue, SpecPath } from "./spec.ts";

/** Keys that a map of a specification may have, by the name of the map; `""` is the whole, `container` one container. */
export type KnownKeys = Readonly<Record<string, readonly string[]>>;

/** Where a key belongs that goes into a map without a key of its own. */
const places: Readonly<Record<string, string>> = { "": "to the top of the file", container: "to a container", units: "to a unit" };

/** What is wrong with a key that a map does not have: a typing error, or another map's key. */
export function unknownKey(known: KnownKeys, mapPath: SpecPath, key: string): SpecIssue {
  const map = mapName(mapPath);
  const keys = known[map] ?? [];
  const remedy = keys.length > 0 ? `Known here: ${keys.join(", ")}` : undefined;
  const issue = { path: [...mapPath, key], kind: "usage", remedy } as const;
  const hint = didYouMean(key.slice(0, 40), keys);
  const home = Object.keys(known).find((other) => other !== map && known[other].includes(key));
  const elsewhere = home === undefined ? "" : `; it belongs ${places[home] ?? `under ${home}`}`;
  return { ...issue, message: `unknown key ${quote(key)}${hint || elsewhere}` };
}

function mapName(path: SpecPath): string {
  const last = path.at(-1) ?? "";
  if (typeof last !== "number") return last;
  return path.at(-2) === "units" ? "units" : "container";
}
