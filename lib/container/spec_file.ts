import { type Alias, Composer, type Document, isAlias, isMap, isNode, isScalar, isSeq, Parser, type YAMLMap } from "yaml";
import { z } from "zod";
import { nodeFeatures, quietPreset } from "../feature/node_features.ts";
import { escapeControls, quote } from "../quote.ts";
import { parseCount, parsePercent } from "./quantity.ts";
import { parseScheduling, SchedulingError, schedulingOptions } from "./scheduling_wish.ts";
import { type NodeRequest, parseName, SpecError, type SpecIssue, type SpecPath } from "./spec.ts";
import { type KnownKeys, unknownKey } from "./spec_keys.ts";
import { SpecPlaces } from "./spec_places.ts";
import { filled, map, numbers, orIssue, parsed } from "./spec_schema.ts";
import { memoryMap, ownMemoryOf, unitMap } from "./spec_memory.ts";
import { syscallMap, syscalls } from "./spec_syscalls.ts";
import { describe, expected, words, yamlRemedy } from "./spec_words.ts";
import { readText, SpecText } from "./spec_text.ts";
import { tooDeepOffset, yamlDepthMax } from "./yaml_depth.ts";

/** A specification from a file, and where its values stand there. */
export interface LocatedRequest {
  /** What it asks for. */
  readonly request: NodeRequest;
  /** `spec.yaml:4:11` of a value; of the nearest map around it when it is not in the file. */
  readonly locate: (path: SpecPath) => string;
}

const schedulingRemedy = `Write ${
  Object.keys(schedulingOptions).join(", ")
}, or a map such as { policy: deadline, runtime: 5ms, period: 10ms }`;

const isMapValue = (value: unknown) => describe(value) === "a map";
const anyMap = z.custom<Record<string, unknown>>(isMapValue);

const scheduling = z.union([z.string(), anyMap], expected("scheduling", schedulingRemedy)).transform((value, context) => {
  const complain = (path: string[], message: string, remedy: string, isAboutKey = false) =>
    context.issues.push({ code: "custom", input: value, path, message: words(message, remedy), params: { isAboutKey } });
  const { policy, ...options } = typeof value === "string" ? { policy: value } : value;
  for (const [option, given] of Object.entries(options)) {
    if (typeof given === "string" || typeof given === "number") continue;
    complain([option], `${quote(option)} is ${describe(given)}`, "Give it a value, such as runtime: 5ms");
  }
  if (typeof policy !== "string") complain(["policy"], `policy is ${describe(policy)}`, schedulingRemedy);
  if (typeof policy !== "string" || context.issues.length > 0) return z.NEVER;
  try {
    return parseScheduling(policy, new Map(Object.entries(options).map(([option, given]) => [option, `${given}`])));
  } catch (error) {
    if (!(error instanceof SchedulingError)) throw error;
    for (const { option, message, remedy, isUnknown } of error.issues) {
      complain(option !== null ? [option] : typeof value === "string" ? [] : ["policy"], message, remedy, isUnknown);
    }
    return z.NEVER;
  }
});

const loadBalancing = z.union([z.enum(["off", "on"]), z.boolean()], expected("loadBalancing", "Write off or on"))
  .transform((value) => typeof value === "string" ? value : value ? "on" as const : "off" as const);

/** A feature that is enabled or not, in its own two words. Where these are off and on, booleans mean the same as they. */
function switched(name: string, [enabled, disabled]: readonly [string, string]) {
  return z.union([z.enum([enabled, disabled]), z.boolean()], expected(name, `Write ${enabled} or ${disabled}`))
    .transform((value) => value === enabled || value === (enabled !== "off"));
}

const quietSwitches = Object.fromEntries(nodeFeatures.map(({ name, words }) => [name, switched(name, words).optional()]));

const features = map("features", {
  preset: z.literal("quiet", expected("preset", "Write quiet, or leave it out")).optional(),
  scheduling: scheduling.optional(),
  loadBalancing: loadBalancing.optional(),
  swap: switched("swap", ["off", "on"]).transform((isOff) => isOff ? "off" as const : "on" as const).optional(),
  ...quietSwitches,
});

const percentRemedy = "Write a percentage, such as 50%";
const percent = (what: string) => parsed(what, percentRemedy, parsePercent).optional();
const cache = map("cache", { l3: percent("l3"), memoryBandwidth: percent("memoryBandwidth") });
const devicesRemedy = "Write a list of paths, such as [/dev/nvidia0]";
const devices = z.array(filled("a device", devicesRemedy), expected("devices", devicesRemedy));
const commandRemedy = 'Write a line for the shell, or a list of words, numbers in quotes: [./solver, input.dat, "8"]';
const command = z.union(
  [filled("command", commandRemedy), z.tuple([filled("the program", commandRemedy)]).rest(z.string())],
  expected("command", commandRemedy),
)
  .transform((value) => typeof value === "string" ? ["/bin/sh", "-c", value] : value);
const cpusRemedy = 'Write cpus: "2-15", or cpuCount: 4';
const whenMap = { when: ({ value }: { value: unknown }) => isMapValue(value) };
const container = map("container", {
  name: z.string(expected("name", "Give the container a name in letters and digits, such as sim"))
    .transform((value, context) => orIssue(context, value, () => parseName(value))),
  cpus: numbers("cpus").optional(),
  cpuCount: parsed("cpuCount", "Write how many CPUs, such as 4", parseCount).optional(),
  memory: memoryMap.optional(),
  pids: parsed("pids", "Write how many threads at most, such as 4096", parseCount).optional(),
  features: features.optional(),
  cache: cache.optional(),
  devices: devices.optional(),
  syscalls: syscalls.optional(),
  command: command.optional(),
})
  .refine((value) => "cpus" in value || "cpuCount" in value, { ...whenMap, error: words("there are no CPUs", cpusRemedy) })
  .refine((value) => !("cpus" in value && "cpuCount" in value), {
    ...whenMap,
    path: ["cpuCount"],
    error: words("cpus and cpuCount are both given", cpusRemedy),
  });
const containersRemedy = "Write at least one container, as - name: sim, and below it cpus: 2-15";
const protectRemedy = "Write a list of names of programs, or process ids, such as [sshd, slurmd*, 4711]";
const aProgram = expected("a protected program", protectRemedy);
const program = z.union([filled("a protected program", protectRemedy), z.number().int(aProgram).min(1, aProgram)], aProgram);
const protect = z.array(program.transform(String), expected("protect", protectRemedy));
const service = map("service", { cpus: numbers("cpus"), protect: protect.optional() });
const specification = map("the specification", {
  apiVersion: z.literal("nodeos/v1", expected("apiVersion", "Write apiVersion: nodeos/v1")),
  service: service.optional(),
  containers: z.array(container, expected("containers", containersRemedy)).min(1, words("there is no container", containersRemedy)),
});

const knownKeys: KnownKeys = {
  "": Object.keys(specification.shape),
  service: Object.keys(service.shape),
  container: Object.keys(container.shape),
  memory: Object.keys(memoryMap.shape),
  units: Object.keys(unitMap.shape),
  features: Object.keys(features.shape),
  cache: Object.keys(cache.shape),
  syscalls: Object.keys(syscallMap.shape),
};

/**
 * Reads a specification; needs read permission for the file.
 *
 * @param path Its path; `-` is standard input.
 * @throws {NoSuchObjectError} If there is none, {UsageError} if it cannot be read, {SpecError} if it is wrong.
 */
export function readSpecFile(path: string): LocatedRequest {
  return parseText(readText(path));
}

/**
 * Understands a specification in YAML 1.2.
 *
 * @param fileName What messages call it.
 * @throws {UsageError} If it is no YAML, {SpecError} with every issue if it asks for something wrong.
 */
export function parseSpec(text: string, fileName: string): LocatedRequest {
  return parseText(new SpecText(text, fileName));
}

function parseText(text: SpecText): LocatedRequest {
  const places = new SpecPlaces();
  const locate = (path: SpecPath) => text.place(places.offset(path));
  const { value, issues } = new YamlReader(text, places).read();
  const result = specification.safeParse(value);
  for (const issue of result.error?.issues ?? []) issues.push(...specIssues(issue, places));
  if (result.success && issues.length === 0) return { request: requestOf(result.data), locate };
  throw new SpecError(issues.toSorted((a, b) => places.offset(a.path) - places.offset(b.path)), locate);
}

function specIssues(issue: z.core.$ZodIssue, places: SpecPlaces): SpecIssue[] {
  const path = issue.path as SpecPath;
  if (issue.code === "unrecognized_keys") {
    const unknown = issue.keys.map((key) => unknownKey(knownKeys, path, key));
    for (const { path } of unknown) places.preferKey(path);
    return unknown;
  }
  if (issue.code === "custom" && issue.params?.isAboutKey) places.preferKey(path);
  const [message, remedy] = issue.message.split("\n");
  return [{ path, kind: "usage", message, remedy: remedy || undefined }];
}

function requestOf(spec: z.output<typeof specification>): NodeRequest {
  const containers = spec.containers.map(({ name, cpus, cpuCount, memory, pids, features, cache, devices, syscalls, command }) => ({
    name,
    cpus,
    cpuCount,
    nodes: memory?.nodes,
    memoryBytes: memory?.limit,
    memory: memory === undefined ? undefined : ownMemoryOf(memory),
    pidsMax: pids,
    scheduling: features?.scheduling,
    loadBalancing: features?.loadBalancing,
    swap: features?.swap,
    quiet: quietOf(features ?? {}),
    cache,
    devices,
    syscalls,
    command,
  }));
  return { serviceCpus: spec.service?.cpus, protect: spec.service?.protect, containers };
}

/** The preset's features, then those that are named, on or off. */
function quietOf({ preset, ...named }: Record<string, unknown>): Record<string, boolean> {
  const on = preset === "quiet" ? quietPreset : [];
  const switches = nodeFeatures.flatMap(({ name }) => typeof named[name] === "boolean" ? [[name, named[name]] as const] : []);
  return Object.fromEntries([...on.map((name) => [name, true] as const), ...switches]);
}

/** What aliases may blow a file up to. */
const nodesMax = 50_000;
const aliasesMax = 100;

/** Makes plain values of YAML, and notes where each one stands. */
class YamlReader {
  readonly #issues: SpecIssue[] = [];
  readonly #open = new Set<unknown>();
  readonly #document: Document.Parsed;
  #nodes = 0;
  #aliases = 0;

  constructor(readonly text: SpecText, readonly places: SpecPlaces) {
    this.#document = compose(text);
  }

  read(): { value: unknown; issues: SpecIssue[] } {
    const { contents } = this.#document;
    const value = this.#value(contents, [], contents?.range[0] ?? 0);
    return { value, issues: this.#issues };
  }

  #value(node: unknown, path: SpecPath, keyOffset: number): unknown {
    const range = isNode(node) ? node.range : null;
    const isEmpty = !range || range[0] === range[1];
    const offset = isEmpty ? keyOffset : range[0];
    if (++this.#nodes > nodesMax) {
      throw this.text.errorAt(offset, "the file is too large, with what its aliases stand for", "Write fewer containers");
    }
    if (isAlias(node)) return this.#alias(node, path, keyOffset);
    this.places.note(path, offset, keyOffset);
    if (this.#open.has(node)) throw this.text.errorAt(offset, "this contains itself, by an alias", "Write it out");
    this.#open.add(node);
    const value = isMap(node)
      ? this.#map(node, path)
      : isSeq(node)
      ? node.items.map((item, index) => this.#value(item, [...path, index], offset))
      : isScalar(node)
      ? node.value
      : null;
    this.#open.delete(node);
    return value;
  }

  #alias(alias: Alias, path: SpecPath, keyOffset: number): unknown {
    const offset = alias.range?.[0] ?? keyOffset;
    if (++this.#aliases > aliasesMax) throw this.text.errorAt(offset, `there are more than ${aliasesMax} aliases`, "Write them out");
    const target = alias.resolve(this.#document);
    if (target === undefined) {
      throw this.text.errorAt(offset, `nothing before has the anchor ${quote(alias.source)}`, "Put text that begins with * in quotes");
    }
    const value = this.#value(target, path, keyOffset);
    this.places.note(path, offset, keyOffset);
    return value;
  }

  #map(node: YAMLMap, path: SpecPath): Record<string, unknown> {
    const entries = new Map<string, unknown>();
    const twice = new Set<string>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? `${key.value}` : "";
      const at = [...path, name];
      if (entries.has(name)) twice.add(name);
      entries.set(name, this.#value(value, at, isNode(key) && key.range ? key.range[0] : node.range?.[0] ?? 0));
    }
    for (const name of twice) {
      const at = [...path, name];
      this.places.preferKey(at);
      this.#issues.push({ path: at, kind: "usage", message: `key ${quote(name)} is there twice`, remedy: "Keep one of them" });
    }
    // Unlike an assignment, this makes a plain property of `__proto__` too.
    return Object.fromEntries(entries);
  }
}

/** The one document of a text; YAML's own errors and warnings are thrown, the first of them. */
function compose(text: SpecText): Document.Parsed {
  const tokens = [...new Parser().parse(text.text)];
  const deep = tokens.map(tooDeepOffset).find((offset) => offset !== null);
  if (typeof deep === "number") {
    throw text.errorAt(deep, `this is nested more than ${yamlDepthMax} deep`, "A specification needs five levels; close every [ and {");
  }
  // Its own search for keys that are there twice takes the square of their number.
  const composer = new Composer({ version: "1.2", schema: "core", stringKeys: true, uniqueKeys: false });
  const [document, second] = composer.compose(tokens, true, text.text.length);
  const [problem] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (problem) {
    throw text.errorAt(
      problem.pos[0],
      escapeControls(problem.message.split("\n")[0].slice(0, 120)),
      yamlRemedy(problem.code),
    );
  }
  if (second) throw text.errorAt(second.range[0], "a second document begins", "Keep one, or put its containers into the first");
  return document as Document.Parsed;
}
