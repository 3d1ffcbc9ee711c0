import { effectiveUid } from "../../ffi/mod.ts";
import { benchAllowed, benchForwarded } from "./forward/calls.ts";
import { benchHttp } from "./forward/http.ts";
import { benchLaunching } from "./forward/launching.ts";
import { Bench, placesHere } from "./forward/place.ts";
import { benchPrograms } from "./forward/programs.ts";
import type { Group } from "./measure.ts";

/** How long a thread that answered polls for the next call, where that is tried. */
const spinUs = 50;

/** System calls under a filter, forwarded, and over HTTP, each beside the least that does the same. Needs root. */
export async function benchForward(): Promise<Group[]> {
  if (effectiveUid() !== 0) throw new Error("Cannot measure forwarding: a keeper needs root");
  using bench = new Bench();
  const places = placesHere();
  const [same, ...others] = places;
  const groups = [await benchAllowed(bench, places[places.length - 1])];
  for (const place of places) groups.push(await benchForwarded(bench, place));
  // A thread that polls needs a CPU of its own.
  for (const place of others) groups.push(await benchForwarded(bench, place, spinUs));
  for (const place of places) groups.push(await benchLaunching(bench, place));
  for (const place of places) groups.push(await benchHttp(bench, place));
  for (const place of [...others, same]) groups.push(await benchPrograms(bench, place));
  for (const place of others) groups.push(await benchPrograms(bench, place, spinUs));
  return groups;
}
