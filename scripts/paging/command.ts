import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { parseBytes, parseCount } from "../../lib/container/quantity.ts";
import { UsageError } from "../../lib/errors.ts";
import { quote } from "../../lib/quote.ts";
import type { Context } from "../context.ts";
import { jsonFlag } from "../flags.ts";

/** Flags of `nodeos paging stat`. */
export interface StatFlags {
  /** One JSON document. */
  readonly json: boolean;
}

/** Flags of `nodeos paging map`. */
export interface MapFlags {
  /** File for the picture, or `-`. */
  readonly svg?: string;
  /** One JSON document. */
  readonly json: boolean;
}

/** In which order pages are touched, and how. */
export const patterns = ["rr", "sr", "rw", "sw", "rmw"] as const;
/** Who answers faults. */
export const modes = ["signal", "thread", "plain"] as const;

/** Flags of `nodeos paging bench`. */
export interface BenchFlags {
  /** Who answers faults, one or several. */
  readonly mode: readonly (typeof modes)[number][];
  /** How pages are touched, one or several. */
  readonly pattern: readonly (typeof patterns)[number][];
  /** Size of the page buffer. */
  readonly buffer?: number;
  /** Granule of faults. */
  readonly page?: number;
  /** The most pages that are read at once. */
  readonly window?: number;
  /** How many pages are touched in a run. */
  readonly touches?: number;
  /** How many runs. */
  readonly runs: number;
  /** Past the page cache of the kernel. */
  readonly direct: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** Parses a process id. */
function pid(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot read ${quote(text)} as a process id`, { remedy: "Write a number, as nodeos paging stat shows it" });
}

/** Parses the number of a region. */
function region(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot read ${quote(text)} as a region`, { remedy: "Write a number, as nodeos paging stat shows it" });
}

/** Words with commas between them, or `all`. */
function words<T extends string>(known: readonly T[], what: string): (text: string) => readonly T[] {
  return (text) => {
    if (text === "all") return known;
    const wanted = text.split(",");
    const unknown = wanted.find((word) => !(known as readonly string[]).includes(word));
    if (unknown === undefined) return wanted as T[];
    throw new UsageError(`Cannot use ${quote(unknown)} as a ${what}`, { remedy: `Write one or some of ${known.join(",")}, or all` });
  };
}

const stat = buildCommand<StatFlags, [number?], Context>({
  loader: async () => (await import("./stat.ts")).default,
  parameters: {
    flags: { json: jsonFlag },
    positional: {
      kind: "tuple",
      parameters: [{ parse: pid, placeholder: "pid", optional: true, brief: "A process (default: all that this user may look into)" }],
    },
  },
  docs: {
    brief: "Show regions that are paged from user space, of a process or of all",
    fullDescription:
      "REGION is the number of a region within its process. RESIDENT, DIRTY and PINNED are what it has in memory, LIMIT is\n" +
      "what its buffer may have for all of its regions. FAULTS, READ, WRITTEN, EVICTED (pages of 4 KiB) and ERRORS count since it was mapped.",
  },
});

const map = buildCommand<MapFlags, [number, number?], Context>({
  loader: async () => (await import("./map.ts")).default,
  parameters: {
    flags: {
      svg: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "FILE",
        brief: "Write a picture to this file; - is standard output (default: no picture)",
      },
      json: jsonFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: pid, placeholder: "pid", brief: "The process" },
        { parse: region, placeholder: "region", optional: true, brief: "One of its regions (default: all)" },
      ],
    },
  },
  docs: {
    brief: "Show which pages of a region are in memory, to be written, or failed",
    fullDescription: "Each character stands for a piece of the region, low addresses first:\n" +
      "  .  absent    -  less than half is in memory    =  half or more    #  all\n" +
      "  w  some of it is to be written    X  the store failed at some of it",
  },
});

const bench = buildCommand<BenchFlags, [string], Context>({
  loader: async () => (await import("./bench.ts")).default,
  parameters: {
    flags: {
      mode: {
        kind: "parsed",
        parse: words(modes, "mode"),
        default: "signal,thread,plain",
        placeholder: "MODES",
        brief: "Who answers faults: signal, thread, plain (the kernel, without a buffer), some with commas, or all",
      },
      pattern: {
        kind: "parsed",
        parse: words(patterns, "pattern"),
        default: "rr,sr",
        placeholder: "PATTERNS",
        brief: "rr, sr: random, sequential reads; rw, sw: writes; rmw: random reads with a write; some with commas, or all",
      },
      buffer: {
        kind: "parsed",
        parse: parseBytes,
        optional: true,
        placeholder: "SIZE",
        brief: "Page buffer (default: a quarter of the file)",
      },
      page: { kind: "parsed", parse: parseBytes, optional: true, placeholder: "SIZE", brief: "Granule of faults (default: 4KiB)" },
      window: {
        kind: "parsed",
        parse: parseCount,
        optional: true,
        placeholder: "PAGES",
        brief: "The most pages that are read at once (default: 256)",
      },
      touches: {
        kind: "parsed",
        parse: parseCount,
        optional: true,
        placeholder: "PAGES",
        brief: "Pages that are touched in a run (default: all of the file, 65536 at most)",
      },
      runs: { kind: "parsed", parse: parseCount, default: "3", brief: "Runs of each; the one in the middle is shown" },
      direct: { kind: "boolean", default: false, brief: "Read past the page cache of the kernel (O_DIRECT)" },
      json: jsonFlag,
    },
    positional: { kind: "tuple", parameters: [{ parse: String, placeholder: "file", brief: "A file of yours, 1 MiB or more" }] },
  },
  docs: {
    brief: "Measure paging of a file of yours, with its data verified",
    fullDescription: "nodeos paging bench /data/huge.dat\n" +
      "nodeos paging bench /data/huge.dat --pattern all --buffer 64MiB --mode signal\n" +
      "\n" +
      "A loop in C touches one 8-byte word of each page, and notes how long each touch took; what it read is compared with what\n" +
      "read(2) gives. Before each run, as many pages as the buffer holds are touched, so that every miss evicts. Patterns that write\n" +
      "put back what is there: the file is the same afterwards, which is verified too (so each first write of rmw is a fault, which a\n" +
      "region otherwise foresees). US/PAGE is the time of the whole run; P50, P99 and MAX are single touches; CPU is that of all\n" +
      "threads; SWITCHES are voluntary context switches.",
  },
});

/** `nodeos paging`: regions that are paged from user space. */
export const command: RouteMap<Context> = buildRouteMap<"stat" | "map" | "bench", Context>({
  routes: { stat, map, bench },
  docs: {
    brief: "Show and measure regions that are paged from user space",
    fullDescription: "Regions are made by programs: in C with ffi/paging/nodeos_paging.h, in TypeScript with Region.map, or by a preload.",
  },
});
