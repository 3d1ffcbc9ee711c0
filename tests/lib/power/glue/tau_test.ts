import assert from "node:assert/strict";
import fc from "fast-check";
import { RefusedError, UsageError } from "../../../../lib/errors.ts";
import { type TauOptions, type TauRegion, writeTau } from "../../../../lib/power/glue/tau.ts";
import type { Trace } from "../../../../lib/power/trace/trace.ts";

interface Profile {
  readonly metric: string;
  readonly metadata: Record<string, string>;
  readonly functions: Record<string, { calls: number; callees: number; exclusive: number; inclusive: number; group: string }>;
  readonly events: Record<string, { count: number; max: number; min: number; mean: number; squares: number }>;
}

/** Reads a profile of TAU; anything that is not quite as TAU writes it fails. */
function parse(text: string): Profile {
  const lines = text.split("\n");
  assert.equal(lines.pop(), "", "the last line ends");
  const next = () => lines.shift() ?? assert.fail("it ends too early");
  const numbers = (words: readonly string[]) =>
    words.map((word) => Number.isFinite(Number(word)) && word !== "" ? Number(word) : assert.fail(word));
  const [, count, metric] = /^(\d+) templated_functions_MULTI_(\w+)$/.exec(next()) ?? assert.fail("first line");
  const [, attributes] = /^# Name Calls Subrs Excl Incl ProfileCalls # <metadata>(.*)<\/metadata>$/.exec(next()) ?? assert.fail("head");
  const plain = (part: string) => part.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const metadata: Record<string, string> = {};
  const rest = attributes.replace(/<attribute><name>([^<>]+)<\/name><value>([^<>]*)<\/value><\/attribute>/g, (_, name, value) => {
    metadata[plain(name)] = plain(value);
    return "";
  });
  assert.equal(rest, "");
  const functions: Profile["functions"] = {};
  for (let index = 0; index < Number(count); index++) {
    const [, name, words, group] = /^"([^"]+)" (\S+ \S+ \S+ \S+) 0 GROUP="([^"]+)"$/.exec(next()) ?? assert.fail("function");
    const [calls, callees, exclusive, inclusive] = numbers(words.split(" "));
    assert.ok(!(name in functions), `${name} comes twice`);
    functions[name] = { calls, callees, exclusive, inclusive, group };
  }
  assert.equal(next(), "0 aggregates");
  const events: Profile["events"] = {};
  if (lines.length > 0) {
    const [, eventCount] = /^([1-9]\d*) userevents$/.exec(next()) ?? assert.fail("user events");
    assert.equal(next(), "# eventname numevents max min mean sumsqr");
    assert.equal(lines.length, Number(eventCount));
    for (const line of lines) {
      const [, name, words] = /^"([^"]+)" (\S+ \S+ \S+ \S+ \S+)$/.exec(line) ?? assert.fail(line);
      const [count, max, min, mean, squares] = numbers(words.split(" "));
      assert.ok(!(name in events), `${name} comes twice`);
      events[name] = { count, max, min, mean, squares };
    }
  }
  return { metric, metadata, functions, events };
}

const columns = [
  { name: "package0/power", unit: "W", doc: "mean power" },
  { name: "package0/cap", unit: "W", doc: "its limit" },
  { name: "runtime/active-cores", unit: "count", doc: "cores" },
] as const;
const trace: Trace = {
  startedAt: "2026-11-22T03:00:00.000Z",
  columns,
  rows: [[null, 120, 8], [100, 120, 8], [110, 120, null], [130, 90, 4], [90, 90, 4]].map((values, second) => ({ seconds: second, values })),
  missed: 0,
};

/** Writes a profile to a directory of its own, reads all files of it, and removes it. */
function written(of: Trace, options: TauOptions = {}): Record<string, Profile> {
  const directory = Deno.makeTempDirSync();
  try {
    const paths = writeTau(directory, of, options);
    return Object.fromEntries(paths.map((path) => [path.slice(directory.length + 1), parse(Deno.readTextFileSync(path))]));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("a trace becomes a profile of one function, with each column as a user event", () => {
  const { "profile.0.0.0": profile } = written(trace, { metadata: { "Command Line": 'a <b> & "c"' } });
  assert.deepEqual(profile, {
    metric: "TIME",
    metadata: { "Metric Name": "TIME", "Starting Timestamp": "1795316400000000", "Command Line": "a <b> & 'c'" },
    functions: { ".TAU application": { calls: 1, callees: 0, exclusive: 4e6, inclusive: 4e6, group: "TAU_DEFAULT" } },
    events: {
      "package0/power (W)": { count: 4, max: 130, min: 90, mean: 107.5, squares: 10_000 + 12_100 + 16_900 + 8_100 },
      "package0/cap (W)": { count: 5, max: 120, min: 90, mean: 108, squares: 3 * 14_400 + 2 * 8_100 },
      "runtime/active-cores": { count: 4, max: 8, min: 4, mean: 6, squares: 160 },
    },
  });
});

Deno.test("regions become functions, alone and with what they call, and events have them as context", () => {
  const regions: TauRegion[] = [
    { name: "halo", startSeconds: 2, endSeconds: 2.5, group: "MPI" },
    { name: "solve", startSeconds: 1, endSeconds: 3.5 },
    { name: "halo", startSeconds: 3, endSeconds: 3.25, group: "MPI" },
  ];
  const { "profile.1.2.3": { functions, events } } = written(trace, { regions, node: 1, context: 2, thread: 3 });
  assert.deepEqual(functions, {
    ".TAU application": { calls: 1, callees: 1, exclusive: 1.5e6, inclusive: 4e6, group: "TAU_DEFAULT" },
    solve: { calls: 1, callees: 2, exclusive: 1.75e6, inclusive: 2.5e6, group: "TAU_USER" },
    halo: { calls: 2, callees: 0, exclusive: 0.75e6, inclusive: 0.75e6, group: "MPI" },
  });
  assert.equal(events["package0/power (W)"].count, 4);
  // The row of 1 s tells of the second before, in which nothing was called yet.
  assert.deepEqual(events["package0/power (W) : .TAU application"], { count: 2, max: 100, min: 90, mean: 95, squares: 18_100 });
  assert.deepEqual(events["package0/power (W) : .TAU application => solve"], { count: 2, max: 130, min: 110, mean: 120, squares: 29_000 });
  assert.ok(!("package0/power (W) : .TAU application => solve => halo" in events));
});

Deno.test("a region in one of its name counts its time once", () => {
  const regions = [{ name: "f", startSeconds: 0, endSeconds: 4 }, { name: "f", startSeconds: 1, endSeconds: 2 }];
  const { "profile.0.0.0": { functions } } = written(trace, { regions });
  assert.deepEqual(functions.f, { calls: 2, callees: 1, exclusive: 4e6, inclusive: 4e6, group: "TAU_USER" });
});

Deno.test("several metrics are in directories, and energy is that of each region", () => {
  const regions = [{ name: "late", startSeconds: 2.5, endSeconds: 4 }];
  const profiles = written(trace, { regions, isMultiple: true });
  assert.deepEqual(Object.keys(profiles), ["MULTI__TIME/profile.0.0.0", "MULTI__PACKAGE0_ENERGY_UJ/profile.0.0.0"]);
  const { metric, metadata, functions } = profiles["MULTI__PACKAGE0_ENERGY_UJ/profile.0.0.0"];
  assert.deepEqual([metric, metadata["Metric Name"]], ["PACKAGE0_ENERGY_UJ", "PACKAGE0_ENERGY_UJ"]);
  // 100 + 110 + 130 + 90 J in all; 65 + 90 J of them late.
  assert.equal(functions[".TAU application"].inclusive, 430e6);
  assert.equal(functions[".TAU application"].exclusive, 275e6);
  assert.equal(functions.late.inclusive, 155e6);
});

Deno.test("names cannot end what they stand in", () => {
  const odd = { ...trace, columns: [{ name: 'a"b\nc', unit: "W", doc: "" }, ...columns.slice(1)] } as Trace;
  const regions = [{ name: 'f("x\ny")', startSeconds: 0, endSeconds: 1, group: 'g" 1' }];
  const { "profile.0.0.0": { functions, events } } = written(odd, { regions, metadata: { "x\n#": "1\n2" } });
  assert.equal(functions["f('x y')"].group, "g' 1");
  assert.equal(events["a'b c (W)"].count, 4);
});

Deno.test("a trace without rows or values becomes a profile without events", () => {
  const { "profile.0.0.0": { functions, events } } = written({ ...trace, rows: [] });
  assert.deepEqual([functions[".TAU application"].inclusive, events], [0, {}]);
});

Deno.test("regions that are none are refused, and nothing is written", () => {
  const wrong: [TauRegion[], RegExp][] = [
    [[{ name: "a", startSeconds: 0, endSeconds: 2 }, { name: "b", startSeconds: 1, endSeconds: 3 }], /"b": it ends after "a", in which/],
    [[{ name: "a", startSeconds: -1, endSeconds: 2 }], /"a" from -1 s to 2 s/],
    [[{ name: "a", startSeconds: 2, endSeconds: 1 }], /from 2 s to 1 s/],
    [[{ name: "a", startSeconds: 0, endSeconds: NaN }], /to NaN s/],
    [[{ name: "a", startSeconds: 0, endSeconds: Infinity }], /to Infinity s/],
    [[{ name: " ", startSeconds: 0, endSeconds: 1 }], /" "/],
  ];
  const directory = Deno.makeTempDirSync();
  try {
    for (const [regions, message] of wrong) {
      assert.throws(() => writeTau(directory, trace, { regions }), (error) => error instanceof UsageError && message.test(error.message));
    }
    for (const part of [{ node: -1 }, { context: 0.5 }, { thread: NaN }]) {
      assert.throws(() => writeTau(directory, trace, part), UsageError);
    }
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    Deno.writeTextFileSync(`${directory}/file`, "");
    assert.throws(
      () => writeTau(`${directory}/file`, trace),
      (error) => error instanceof RefusedError && error.message.startsWith(`Cannot write a profile to ${directory}/file: `),
    );
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

/** Regions within a span, as a tree. */
function regionsIn(start: number, end: number, depth: number): fc.Arbitrary<TauRegion[]> {
  if (depth === 0) return fc.constant([]);
  return fc.array(fc.integer({ min: start, max: end }), { maxLength: 6 }).chain((edges) => {
    const sorted = [...new Set(edges)].sort((a, b) => a - b);
    const pairs = Array.from({ length: Math.floor(sorted.length / 2) }, (_, index) => [sorted[2 * index], sorted[2 * index + 1]]);
    const trees = pairs.map(([from, to]) =>
      fc.tuple(fc.constantFrom("f", "g", "h"), regionsIn(from, to, depth - 1)).map(([name, inner]) => [
        { name, startSeconds: from, endSeconds: to },
        ...inner,
      ])
    );
    return fc.tuple(...trees).map((all) => all.flat());
  });
}

Deno.test("what functions take alone adds up to the whole, in any order of regions", () => {
  fc.assert(
    fc.property(regionsIn(0, 1000, 3), fc.infiniteStream(fc.nat()), (regions, keys) => {
      const mixed = regions.map((region) => ({ region, key: keys.next().value! })).sort((a, b) => a.key - b.key).map(({ region }) =>
        region
      );
      const { "profile.0.0.0": { functions } } = written({ ...trace, rows: [{ seconds: 1000, values: [1, 2, 3] }] }, { regions: mixed });
      const sum = Object.values(functions).reduce((total, { exclusive }) => total + exclusive, 0);
      assert.ok(Math.abs(sum - 1000e6) < 1, `${sum}`);
      for (const { exclusive, inclusive } of Object.values(functions)) assert.ok(exclusive <= inclusive + 1e-3);
      assert.equal(Object.values(functions).reduce((total, { calls }) => total + calls, 0), regions.length + 1);
      assert.equal(Object.values(functions).reduce((total, { callees }) => total + callees, 0), regions.length);
    }),
    { numRuns: 50 },
  );
});

/** Whether the program of TAU is there; another one has the same name. */
async function hasPprof(): Promise<boolean> {
  try {
    const { stdout, stderr } = await new Deno.Command("pprof", { args: ["-h"], stdout: "piped", stderr: "piped" }).output();
    return [stdout, stderr].some((bytes) => new TextDecoder().decode(bytes).includes("tau_reduce"));
  } catch {
    return false;
  }
}

const canRead = await hasPprof();

Deno.test({
  name: `pprof of TAU reads our profiles${canRead ? "" : " [needs pprof of TAU]"}`,
  ignore: !canRead,
  async fn() {
    const directory = Deno.makeTempDirSync();
    try {
      const regions = [{ name: "solve", startSeconds: 1, endSeconds: 3 }];
      writeTau(directory, trace, { regions });
      writeTau(directory, trace, { node: 1 });
      const { code, stdout } = await new Deno.Command("pprof", { cwd: directory, stdout: "piped", stderr: "null" }).output();
      const text = new TextDecoder().decode(stdout);
      assert.equal(code, 0);
      assert.match(text, /^ ?50\.0 +2,000 +2,000 +1 +0 +2000000 solve$/m);
      assert.match(text, /^ +4 +130 +90 +107\.5 +14\.79 +package0\/power \(W\)$/m);
      assert.match(text, /^NODE 1;CONTEXT 0;THREAD 0:$/m);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
