import fc from "fast-check";
import type { ContainerRequest, NodeRequest } from "../../../lib/container/spec.ts";
import { nodeFeatures, quietPreset } from "../../../lib/feature/node_features.ts";

/** What YAML can say. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
/** A map of YAML. */
export type MapValue = { [key: string]: Value };

/** A specification as a file has it, and the request that it should become. */
export interface GoodSpec {
  readonly document: MapValue;
  readonly request: NodeRequest;
}

/** One wish, as a file spells it and as the request has it. */
interface Wish<T> {
  readonly yaml: Value;
  readonly value: T;
}

function wish<T>(yaml: Value, value: T): Wish<T> {
  return { yaml, value };
}

const nodeWishes: fc.Arbitrary<Wish<number[]>> = fc.constantFrom(wish(1, [1]), wish("0-1", [0, 1]), wish([1, 0], [0, 1]), wish("0", [0]));
const limitWishes: fc.Arbitrary<Wish<number>> = fc.oneof(
  fc.integer({ min: 2 ** 20, max: 2 ** 32 }).map((bytes) => wish(bytes, bytes)),
  fc.integer({ min: 1, max: 4096 }).map((count) => wish(`${count}MiB`, count * 2 ** 20)),
  fc.constantFrom(wish("1.5 GiB", 1.5 * 2 ** 30), wish("2GB", 2e9), wish("1g", 2 ** 30)),
);
const pidsWishes: fc.Arbitrary<Wish<number>> = fc.integer({ min: 1, max: 2 ** 22 }).chain((count) =>
  fc.constantFrom(wish(count, count), wish(`${count}`, count))
);
const schedulingWishes: fc.Arbitrary<Wish<NonNullable<ContainerRequest["scheduling"]>>> = fc.oneof(
  fc.constantFrom(
    wish("fair", { policy: "fair" as const }),
    wish("cooperative", { policy: "cooperative" as const, throttle: "lift" as const }),
    wish({ policy: "cooperative", throttle: "keep" }, { policy: "cooperative" as const, throttle: "keep" as const }),
  ),
  fc.integer({ min: -20, max: 19 }).map((nice) => wish({ policy: "fair", nice }, { policy: "fair" as const, nice })),
  fc.tuple(fc.integer({ min: 2, max: 999 }), fc.nat(5000), fc.nat(5000)).map(([runtimeUs, restUs, moreUs]) => {
    const [deadlineUs, periodUs] = [runtimeUs + restUs, runtimeUs + restUs + moreUs];
    const yaml = { policy: "deadline", runtime: `${runtimeUs}us`, deadline: `${deadlineUs}us`, period: `${periodUs}us` };
    return wish<NonNullable<ContainerRequest["scheduling"]>>(yaml, {
      policy: "deadline",
      runtimeNs: runtimeUs * 1000,
      deadlineNs: deadlineUs * 1000,
      periodNs: periodUs * 1000,
    });
  }),
);
const balancingWishes = fc.constantFrom(
  wish("off", "off" as const),
  wish("on", "on" as const),
  wish(true, "on" as const),
  wish(false, "off" as const),
);
const swapWishes = fc.constantFrom(
  wish("off", "off" as const),
  wish("on", "on" as const),
  wish(false, "off" as const),
  wish(true, "on" as const),
);

/** Features that every machine can meet: the hardware threads beside a container's CPUs may be somebody's. */
const freeFeatures = nodeFeatures.filter(({ name }) => name !== "smtSiblings");
/** Some features, switched in either of their words or by a boolean, with or without the preset before them. */
const quietWishes: fc.Arbitrary<Wish<Record<string, boolean>>> = fc.record({
  preset: fc.boolean(),
  switches: fc.uniqueArray(fc.tuple(fc.constantFrom(...freeFeatures), fc.boolean(), fc.boolean()), {
    selector: ([{ name }]) => name,
    maxLength: 5,
  }),
}).map(({ preset, switches }) => {
  const yaml: MapValue = preset ? { preset: "quiet" } : {};
  const value: Record<string, boolean> = Object.fromEntries(preset ? quietPreset.map((name) => [name, true]) : []);
  for (const [{ name, words: [enabled, disabled] }, isOn, isWord] of switches) {
    yaml[name] = isWord ? (isOn ? enabled : disabled) : isOn === (enabled !== "off");
    value[name] = isOn;
  }
  return wish(yaml, value);
});
const percent = fc.integer({ min: 1, max: 100 }).chain((percent) =>
  fc.constantFrom(wish(percent, percent), wish(`${percent}`, percent), wish(`${percent}%`, percent))
);
const cacheWishes: fc.Arbitrary<Wish<NonNullable<ContainerRequest["cache"]>>> = fc.record(
  { l3: percent, memoryBandwidth: percent },
  { requiredKeys: [] },
).map((parts) => {
  const map = (get: (part: Wish<number>) => Value) => Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, get(part)]));
  return wish(map(({ yaml }) => yaml), map(({ value }) => value));
});
const deviceWishes = fc.array(fc.stringMatching(/^\/dev\/[a-z]{1,8}[0-9]{0,2}$/), { maxLength: 3 }).map((paths) => wish([...paths], paths));
const commandWishes: fc.Arbitrary<Wish<string[]>> = fc.oneof(
  fc.array(fc.stringMatching(/^[ -~]{1,12}$/), { minLength: 1, maxLength: 4 }).map((argv) => wish([...argv], argv)),
  fc.stringMatching(/^[ -~]{1,30}$/).map((line) => wish(line, ["/bin/sh", "-c", line])),
);
const protectWishes: fc.Arbitrary<Wish<string[]>> = fc.array(
  fc.oneof(
    fc.stringMatching(/^[a-z*]{1,15}$/).map((name): Wish<string> => wish(name, name)),
    fc.integer({ min: 1, max: 2 ** 22 }).map((pid): Wish<string> => wish(pid, `${pid}`)),
  ),
  { maxLength: 3 },
).map((list) => wish(list.map(({ yaml }) => yaml), list.map(({ value }) => value)));

/** CPUs in one of the ways in which they may be written. */
function cpuWishes(cpus: readonly number[]): fc.Arbitrary<Wish<number[]>> {
  const sorted = cpus.toSorted((a, b) => a - b);
  const forms: Wish<number[]>[] = [wish([...cpus], sorted), wish(cpus.join(), sorted), wish(` ${cpus.join(", ")} `, sorted)];
  if (cpus.length === 1) forms.push(wish(cpus[0], sorted));
  return fc.constantFrom(...forms);
}

const names = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,11}$/).filter((name) => name !== "service"), {
  minLength: 3,
  maxLength: 3,
});

const syscallWishes: fc.Arbitrary<Wish<NonNullable<ContainerRequest["syscalls"]>>> = fc.constantFrom(
  wish("cnk", { profile: "cnk", switches: [] }),
  wish({ profile: "lean", allow: ["stat"], deny: ["ptrace:EPERM"] }, { profile: "lean", switches: ["stat=allow", "ptrace=deny:EPERM"] }),
  wish({ profile: "full", user: 1000, spin: "50us" }, { profile: "full", switches: [], user: { uid: 1000, gid: 1000 }, spinUs: 50 }),
);

/**
 * Specifications that a machine of CPUs 0-7, two NUMA nodes and 8 GiB can meet: CPU 0 stays free or becomes the
 * ServiceOS's, each container names its CPUs or counts one or two of those that nobody names.
 */
export const goodSpecs: fc.Arbitrary<GoodSpec> = specs("any machine");
/** The same with what only some machines can meet: classes of cache, devices; and with programs to start. */
export const richSpecs: fc.Arbitrary<GoodSpec> = specs("some machines");

type Audience = "any machine" | "some machines";

function specs(audience: Audience): fc.Arbitrary<GoodSpec> {
  return fc.tuple(
    names,
    fc.shuffledSubarray([1, 2, 3, 5, 6, 7], { minLength: 6 }),
    fc.integer({ min: 1, max: 3 }),
    fc.boolean(),
    fc.option(protectWishes),
  ).chain(([names, cpus, count, hasService, protect]) => {
    const each = Array.from({ length: count }, (_, index) => containers(names[index], cpus.slice(2 * index, 2 * index + 2), audience));
    const service: MapValue = { cpus: "0,4", ...(protect === null ? {} : { protect: protect.yaml }) };
    return fc.tuple(...each).map((list) => ({
      document: { apiVersion: "nodeos/v1", ...(hasService ? { service } : {}), containers: list.map(({ yaml }) => yaml) },
      request: {
        serviceCpus: hasService ? [0, 4] : undefined,
        protect: hasService ? protect?.value : undefined,
        containers: list.map(({ value }) => value),
      },
    }));
  });
}

function containers(name: string, cpus: readonly number[], audience: Audience): fc.Arbitrary<Wish<ContainerRequest>> {
  const rich = <T>(wishes: fc.Arbitrary<Wish<T>>) => audience === "any machine" ? fc.constant(null) : fc.option(wishes);
  return fc.record({
    cpus: fc.oneof(fc.integer({ min: 1, max: 2 }).chain((count) => cpuWishes(cpus.slice(0, count))), fc.constant(null)),
    count: fc.integer({ min: 1, max: 2 }),
    limit: fc.option(limitWishes),
    nodes: fc.option(nodeWishes),
    pids: fc.option(pidsWishes),
    scheduling: fc.option(schedulingWishes),
    loadBalancing: fc.option(balancingWishes),
    swap: fc.option(swapWishes),
    quiet: fc.option(quietWishes),
    cache: rich(cacheWishes),
    devices: rich(deviceWishes),
    syscalls: rich(syscallWishes),
    command: rich(commandWishes),
  }).map(({ cpus, count, limit, nodes, pids, scheduling, loadBalancing: balancing, swap, quiet, cache, devices, syscalls, command }) => {
    // Deadline and balancing off exclude each other: a bad specification, made elsewhere on purpose.
    const loadBalancing = scheduling?.value.policy === "deadline" ? null : balancing;
    const map = (entries: Record<string, Wish<unknown> | null>): MapValue =>
      Object.fromEntries(Object.entries(entries).flatMap(([key, wish]) => wish === null ? [] : [[key, wish.yaml]]));
    const memory = map({ limit, nodes });
    const features = { ...map({ scheduling, loadBalancing, swap }), ...quiet?.yaml as MapValue | undefined };
    const yaml: MapValue = {
      name,
      ...(cpus === null ? { cpuCount: count } : { cpus: cpus.yaml }),
      ...(Object.keys(memory).length > 0 ? { memory } : {}),
      ...map({ pids, cache, devices, syscalls, command }),
      ...(Object.keys(features).length > 0 ? { features } : {}),
    };
    const value: ContainerRequest = {
      name,
      cpus: cpus?.value,
      cpuCount: cpus === null ? count : undefined,
      nodes: nodes?.value,
      memoryBytes: limit?.value,
      memory: undefined,
      pidsMax: pids?.value,
      scheduling: scheduling?.value,
      loadBalancing: loadBalancing?.value,
      swap: swap?.value,
      quiet: quiet?.value ?? {},
      cache: cache?.value,
      devices: devices?.value,
      syscalls: syscalls?.value,
      command: command?.value,
    };
    return wish(yaml, value);
  });
}

/** What makes a good document a bad one; it may change the document, since that is a copy. */
export type Damage = readonly [name: string, damage: (document: MapValue, pick: number) => void];

function firstContainer(document: MapValue): MapValue {
  return (document.containers as MapValue[])[0];
}

/** The map at a name in a container, made if need be. */
function inside(container: MapValue, key: string): MapValue {
  return (container[key] ??= {}) as MapValue;
}

function setCpus(container: MapValue, cpus: Value): void {
  delete container.cpuCount;
  container.cpus = cpus;
}

/** A damage that sets a value to one of several, each of them wrong. */
function oneOf(name: string, values: readonly Value[], set: (document: MapValue, value: Value) => void): Damage {
  return [name, (document, pick) => set(document, values[pick % values.length])];
}

let deep: Value = 1;
for (let depth = 0; depth < 100; depth++) deep = depth % 2 ? [deep] : { a: deep };

const noMap: Value[] = [null, 5, -1, true, "text", "", [], [1], ["text"]];
const noText: Value[] = [null, true, false, [], {}, [null], { a: 1 }, deep];
const noCount: Value[] = [0, -1, -2147483648, 1.5, 1e10, 1e300, "0", "-1", "many", "", "1e3", "1 2", null, true, [], [4], {}];
const noCpus: Value[] = [
  -1,
  "-1",
  "3-1",
  "1-",
  "a",
  "1;2",
  "",
  [],
  [-1],
  [1.5],
  ["a"],
  [null],
  [[1]],
  { a: 1 },
  null,
  true,
  99999,
  "0-99999",
  1e21,
  "1\u0000",
  "0x1",
];
const noSize: Value[] = [
  0,
  -1,
  -4096,
  "0",
  "-1GiB",
  "64Gi",
  "lots",
  "",
  "1e9",
  "GiB",
  1e300,
  "99999999TiB",
  null,
  true,
  [],
  [1],
  {},
  "1GiB\u0000",
  1023,
];
const noPercent: Value[] = [0, -1, 101, 1.5, 1e3, "0%", "101%", "50 %", "%", "half", "", "1e1", null, true, [], [50], {}];
const noName: Value[] = [
  "",
  "/",
  "a/b",
  "..",
  ".",
  "../..",
  "a..b",
  "-a",
  "a b",
  "a\nb",
  "a\u0000",
  "ä",
  "service",
  "x".repeat(49),
  "x".repeat(5000),
  5,
  true,
  "*",
  "$(id)",
  "\u001b[2J",
  "\u202ea",
];
const noNode: Value[] = [2, "2", "0-2", [0, 9], -1, "all", "", [], null, 4096, {}];

/** Every damage makes any good document bad, for the reason that its name says. */
export const damages: readonly Damage[] = [
  ["a missing apiVersion", (document) => delete document.apiVersion],
  oneOf(
    "another apiVersion",
    ["nodeos/v2", "v1", "", 1, null, ["nodeos/v1"], "nodeos/v1 "],
    (document, value) => document.apiVersion = value,
  ),
  ["missing containers", (document) => delete document.containers],
  oneOf("containers of another sort", [...noMap, {}, { sim: { cpus: 1 } }], (document, value) => document.containers = value),
  oneOf("a container of another sort", noMap, (document, value) => (document.containers as Value[]).push(value)),
  oneOf(
    "an unknown key",
    ["cpu", "x", "", "APIVERSION", "__proto__", "constructor", "toString", "0", "a b", "ключ", "x".repeat(900), "<<"],
    (document, key) => Object.defineProperty(document, key as string, { value: 1, enumerable: true }),
  ),
  oneOf(
    "an unknown key in a container",
    ["cpu", "mem", "__proto__", "hasOwnProperty", "limits", "syscall", "Name", "cpus "],
    (document, key) => Object.defineProperty(firstContainer(document), key as string, { value: 1, enumerable: true }),
  ),
  oneOf(
    "an unknown key in memory",
    ["units", "limits", "size", "__proto__"],
    (document, key) => Object.defineProperty(inside(firstContainer(document), "memory"), key as string, { value: 1, enumerable: true }),
  ),
  oneOf(
    "an unknown key in features",
    ["irq", "schedulling", "quiet", "cache", "__proto__"],
    (document, key) =>
      Object.defineProperty(inside(firstContainer(document), "features"), key as string, { value: "away", enumerable: true }),
  ),
  ["a missing name", (document) => delete firstContainer(document).name],
  oneOf("a name that is none", noName, (document, value) => firstContainer(document).name = value),
  oneOf("a name of another sort", noText, (document, value) => firstContainer(document).name = value),
  ["two containers of one name", (document) => (document.containers as MapValue[]).push({ ...firstContainer(document), cpus: 4 })],
  ["missing CPUs", (document) => {
    delete firstContainer(document).cpus;
    delete firstContainer(document).cpuCount;
  }],
  ["CPUs by number and by count", (document) => Object.assign(firstContainer(document), { cpus: 1, cpuCount: 1 })],
  oneOf("CPUs that are none", noCpus, (document, value) => setCpus(firstContainer(document), value)),
  oneOf("CPUs that do not exist", [8, "1-8", [1, 9], "64", 4095, "1-9999"], (document, value) => setCpus(firstContainer(document), value)),
  ["all CPUs", (document) => setCpus(firstContainer(document), "0-7")],
  ["CPUs of another container", (document) => {
    setCpus(firstContainer(document), "1");
    (document.containers as MapValue[]).push({ name: "the-other", cpus: [1, 1] });
  }],
  ["CPUs of the ServiceOS", (document) => {
    document.service = { cpus: "1" };
    setCpus(firstContainer(document), "1-2");
  }],
  oneOf("a count that is none", noCount, (document, value) => {
    delete firstContainer(document).cpus;
    firstContainer(document).cpuCount = value;
  }),
  oneOf("more CPUs than there are", [8, 9, "64", 999999999], (document, value) => {
    delete firstContainer(document).cpus;
    firstContainer(document).cpuCount = value;
  }),
  oneOf("a size that is none", noSize, (document, value) => inside(firstContainer(document), "memory").limit = value),
  oneOf(
    "more memory than there is",
    ["9GiB", 8 * 2 ** 30 + 1, "1TiB", Number.MAX_SAFE_INTEGER],
    (document, value) => inside(firstContainer(document), "memory").limit = value,
  ),
  oneOf("NUMA nodes that are not there", noNode, (document, value) => inside(firstContainer(document), "memory").nodes = value),
  oneOf("memory of another sort", noMap, (document, value) => firstContainer(document).memory = value),
  oneOf("a thread limit that is none", [...noCount, 2 ** 22 + 1], (document, value) => firstContainer(document).pids = value),
  oneOf("features of another sort", noMap, (document, value) => firstContainer(document).features = value),
  oneOf("scheduling that is none", [
    "coop",
    "",
    "Fair",
    "deadline",
    "fair,nice=5",
    5,
    null,
    true,
    [],
    ["fair"],
    {},
    { nice: 5 },
    { policy: "fifo" },
    { policy: ["fair"] },
    { policy: null },
    deep,
  ], (document, value) => inside(firstContainer(document), "features").scheduling = value),
  oneOf("options of scheduling that are none", [
    { policy: "fair", nice: 20 },
    { policy: "fair", nice: "x" },
    { policy: "fair", throttle: "keep" },
    { policy: "cooperative", throttle: "off" },
    { policy: "cooperative", throttle: null },
    { policy: "deadline", runtime: "5ms" },
    { policy: "deadline", runtime: 5, period: 10 },
    { policy: "deadline", runtime: "20ms", period: "10ms" },
    { policy: "deadline", runtime: "-5ms", period: "10ms" },
    { policy: "deadline", runtime: "1ns", period: "10ms" },
    { policy: "deadline", runtime: { ms: 5 }, period: "10ms" },
    { policy: "deadline", runtime: "5ms", period: "10ms", deadline: "11ms" },
  ], (document, value) => inside(firstContainer(document), "features").scheduling = value),
  oneOf(
    "load balancing that is none",
    ["no", "Off", "", 0, 1, null, [], {}, ["off"]],
    (document, value) => inside(firstContainer(document), "features").loadBalancing = value,
  ),
  ...nodeFeatures.map(({ name, words: [enabled] }) =>
    oneOf(
      `${name} in other words`,
      ["maybe", enabled.toUpperCase(), "", 0, 1, null, [], {}, [enabled], deep],
      (document, value) => inside(firstContainer(document), "features")[name] = value,
    )
  ),
  oneOf(
    "a swap that is none",
    ["no", "Off", "", 0, 1, null, [], {}, ["off"]],
    (document, value) => inside(firstContainer(document), "features").swap = value,
  ),
  oneOf(
    "a preset that is none",
    ["silent", "Quiet", "", true, 1, null, [], {}, ["quiet"]],
    (document, value) => inside(firstContainer(document), "features").preset = value,
  ),
  oneOf("caches of another sort", noMap, (document, value) => firstContainer(document).cache = value),
  oneOf(
    "an unknown key in cache",
    ["l2", "L3", "memory", "__proto__"],
    (document, key) => Object.defineProperty(inside(firstContainer(document), "cache"), key as string, { value: 50, enumerable: true }),
  ),
  oneOf("a part of a cache that is none", noPercent, (document, value) => inside(firstContainer(document), "cache").l3 = value),
  oneOf(
    "a part of the memory bandwidth that is none",
    noPercent,
    (document, value) => inside(firstContainer(document), "cache").memoryBandwidth = value,
  ),
  oneOf(
    "devices that are none",
    [null, "/dev/null", 5, true, {}, { a: 1 }, [5], [null], [""], [["/dev/null"]], [{}], deep],
    (document, value) => firstContainer(document).devices = value,
  ),
  oneOf(
    "a command that is none",
    [null, "", 5, true, [], [""], [5], ["ls", 5], ["ls", null], [["ls"]], {}, { a: 1 }, deep],
    (document, value) => firstContainer(document).command = value,
  ),
  oneOf(
    "programs to protect that are none",
    [null, "sshd", 5, true, {}, [""], [null], [0], [-1], [1.5], [true], [["sshd"]], [{}], deep],
    (document, value) => document.service = { cpus: 0, protect: value },
  ),
  oneOf(
    "a ServiceOS of another sort",
    [...noMap, {}, { cpu: 1 }, { protect: [] }, { cpus: 0, x: 1 }],
    (document, value) => document.service = value,
  ),
  oneOf("CPUs of the ServiceOS that are none", noCpus, (document, value) => document.service = { cpus: value }),
];

/** What makes a good text a bad one, wherever it does so; `pick` says where. */
export const textDamages: readonly (readonly [name: string, damage: (text: string, pick: number) => string])[] = [
  ["a NUL byte", (text, pick) => text.slice(0, pick % text.length) + "\0" + text.slice(pick % text.length)],
  ["a control character", (text, pick) => text.slice(0, pick % text.length) + "\x1b\x07"[pick % 2] + text.slice(pick % text.length)],
  ["half a character", (text, pick) => text.slice(0, pick % text.length) + "\ud83d" + text.slice(pick % text.length)],
  ["a second document", (text) => `${text}\n---\n${text}`],
  ["the same keys twice", (text) => `${text}\napiVersion: nodeos/v1\n`],
  ["an alias of nothing", (text) => `${text}\nx: *nothing\n`],
  ["an anchor that contains itself", (text) => `${text}\nx: &x [*x]\n`],
  ["a bomb of aliases", (text) => `${text}\na: &a [x, x, x]\nb: [${"*a, ".repeat(200)}]\n`],
  ["a tag", (text) => text.replace("apiVersion: ", "apiVersion: !other ")],
  ["an open bracket", (text, pick) => `${text}\nx: ${"[{"[pick % 2].repeat(pick % 300 + 1)}`],
  ["an open quote", (text, pick) => `${text}\nx: ${"\"'"[pick % 2]}abc`],
  ["a tab as indent", (text) => `${text}\nx:\n\ty: 1\n`],
  ["an indent that fits nowhere", (text) => `${text}\nx:\n    y: 1\n  z: 1\n`],
  ["a reserved character", (text, pick) => `${text}\nx: ${"@`%"[pick % 3]}y\n`],
  ["a map in a line", (text) => `${text}\nx: y: z\n`],
  ["a directive that nobody knows", (text) => `%X\n---\n${text}`],
  ["a map as key", (text) => `${text}\n? { a: 1 }\n: b\n`],
  ["many keys", (text, pick) => `${text}\n${Array.from({ length: pick % 300 + 1 }, (_, index) => `k${index}: ${index}`).join("\n")}`],
  ["nothing but its comments", (text) => text.replace(/^/gm, "# ")],
];
