import assert from "node:assert/strict";
import { errno, errnoText } from "../../ffi/errors.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { effectiveUid } from "../../ffi/mod.ts";
import { parseSpec } from "../../lib/container/spec_file.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import type { Check } from "../../lib/kernel/doctor.ts";
import type { Flags } from "../../scripts/doctor/command.ts";
import { adviseBoot, renderBoot } from "../../scripts/doctor/boot.ts";
import { findCompiler, liveProbes } from "../../scripts/doctor/probes.ts";
import { render } from "../../scripts/doctor/render.ts";
import doctor from "../../scripts/doctor/run.ts";
import type { Context } from "../../scripts/context.ts";
import { captured, type CapturedFiles } from "../captured.ts";
import { machine } from "../machines/machine.ts";
import { v1, v2 } from "../small_machines.ts";

// The library stays loaded for good: here, not in the middle of a test, which would be asked to unload it.
errnoText(errno.EPERM);
effectiveUid();
const kernel = new KernelRoot();
kernel.exists("/proc");

interface Outcome {
  readonly printed: string;
  readonly said: string;
  readonly documents: Record<string, unknown>[];
  readonly error: unknown;
}

/** Runs the command with a context of strings. */
async function run(flags: Partial<Flags>, open: Context["kernel"] = () => Promise.resolve(kernel)): Promise<Outcome> {
  const [printed, said]: string[][] = [[], []];
  const documents: Record<string, unknown>[] = [];
  const stream = { write: (text: string) => assert.fail(`wrote past print and say: ${text}`) };
  const context: Context = {
    process: { stdout: stream, stderr: stream },
    kernel: open,
    node: () => assert.fail("doctor opens no container"),
    unrecoveredNode: () => assert.fail("doctor opens no container"),
    stateDirectory: "/nonexistent",
    print: (text) => void printed.push(text),
    say: (text) => void said.push(text),
    json: (document) => void documents.push(document),
  };
  const error = await doctor.call(context, { json: false, quiet: false, ...flags }).then(() => null, (error) => error);
  return { printed: printed.join("\n"), said: said.join("\n"), documents, error };
}

/** A captured machine of a few files: cgroup v2 with cpusets, or with `mountinfo` something else. */
function capture(mountinfo = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"): Disposable & { readonly base: string } {
  const base = Deno.makeTempDirSync({ prefix: "nodeos-doctor-" });
  const files = {
    "/proc/self/mountinfo": mountinfo,
    "/proc/filesystems": "nodev\tcgroup2\n",
    "/proc/sys/kernel/osrelease": "6.12.0\n",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset\n",
    "/sys/fs/cgroup/cgroup.subtree_control": "cpuset\n",
    "/sys/devices/system/cpu/online": "0-3\n",
  };
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(base + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(base + path, text);
  }
  return { base, [Symbol.dispose]: () => Deno.removeSync(base, { recursive: true }) };
}

const checks: readonly Check[] = [
  { id: "a", group: "One", title: "Alpha", status: "yes", found: "here", why: "Reason A.", fix: "not shown", essential: true },
  { id: "b", group: "One", title: "Beta", status: "partly", found: "half of it", why: "Reason B.", fix: "do b", essential: false },
  { id: "c", group: "Two", title: "Gamma", status: "unknown", found: "cannot tell", why: "Reason C.", fix: null, essential: false },
  { id: "d", group: "Two", title: "Delta", status: "no", found: "absent", why: "Reason D.", fix: "do d", essential: false },
];

Deno.test("render() groups the marks, then gives reason and fix of what is not in order", () => {
  assert.equal(
    render(checks, { colour: false, quiet: false }),
    [
      "One",
      "  yes      Alpha  here",
      "  partly   Beta   half of it",
      "",
      "Two",
      "  unknown  Gamma  cannot tell",
      "  no       Delta  absent",
      "",
      "Beta (partly): Reason B.",
      "  do b",
      "",
      "Delta (no): Reason D.",
      "  do d",
    ].join("\n"),
  );
});

Deno.test("render() leaves out what is in order when quiet, and says so when nothing is left", () => {
  const text = render(checks, { colour: false, quiet: true });
  assert.ok(!text.includes("Alpha"));
  for (const title of ["Beta", "Gamma", "Delta"]) assert.ok(text.includes(title), title);
  assert.equal(render(checks.slice(0, 1), { colour: false, quiet: true }), "Everything that nodeos asks for is here.");
});

const escape = "\x1b";

Deno.test("render() colours the marks only, and only when asked to", () => {
  const coloured = render(checks, { colour: true, quiet: false });
  assert.ok(coloured.includes(`  ${escape}[31mno${escape}[0m       Delta  absent`), coloured);
  assert.equal(coloured.replaceAll(new RegExp(`${escape}\\[\\d+m`, "g"), ""), render(checks, { colour: false, quiet: false }));
});

Deno.test("doctor of a captured machine prints a table and says that a run can work", async () => {
  using small = capture();
  const { printed, said, error } = await run({ input: `${small.base}/` });
  assert.equal(error, null);
  assert.match(printed, /^ {2}yes +CPU sets +version 2 at \/sys\/fs\/cgroup$/m);
  assert.match(said, /^A plain nodeos run can work there/);
});

Deno.test("doctor refuses when something essential is missing, and says which and how to get it", async () => {
  using small = capture("");
  const { printed, error } = await run({ input: small.base });
  assert.ok(error instanceof RefusedError);
  assert.match(error.message, /^Cannot run containers there: Control groups: none is mounted; CPU sets: /);
  assert.equal(error.remedy, "mount -t cgroup2 none /sys/fs/cgroup");
  assert.equal(error.exitCode, 1);
  assert.match(printed, /no +Control groups/, "the table comes first");
});

Deno.test("doctor --json prints one document, and --quiet leaves out what is in order", async () => {
  using small = capture("");
  const { printed, documents, error } = await run({ input: small.base, json: true });
  assert.ok(error instanceof RefusedError);
  assert.equal(printed, "");
  assert.equal(documents.length, 1);
  assert.equal(documents[0].runnable, false);
  assert.deepEqual(documents[0].missing, ["cgroups", "cpuset"]);
  const quiet = await run({ input: small.base, json: true, quiet: true });
  const [all, few] = [documents[0].checks as Check[], quiet.documents[0].checks as Check[]];
  assert.deepEqual(few, all.filter(({ status }) => status !== "yes"));
  assert.ok(few.length < all.length);
});

Deno.test("doctor tells a missing directory from one that holds no machine", async () => {
  using small = capture();
  const absent = await run({ input: `${small.base}/absent` });
  assert.ok(absent.error instanceof NoSuchObjectError);
  assert.match(absent.error.message, /there is no such directory/);
  const file = await run({ input: `${small.base}/proc/filesystems` });
  assert.ok(file.error instanceof NoSuchObjectError);
  const empty = await run({ input: `${small.base}/sys/fs` });
  assert.ok(empty.error instanceof UsageError);
  assert.match(empty.error.remedy ?? "", /topo --capture/);
  for (const { printed, documents } of [absent, file, empty]) assert.deepEqual([printed, documents], ["", []]);
});

Deno.test("doctor runs without the native library, and examines what needs none", async () => {
  const { printed, said, error } = await run({}, () => Promise.reject(new Error("Could not open library: libnodeos.so\nmore")));
  assert.ok(error instanceof RefusedError);
  assert.match(error.message, /Native library: Could not open library: libnodeos\.so$/);
  assert.match(printed, /^ {2}no +Native library/m);
  assert.match(printed, /C compiler/);
  assert.ok(!printed.includes("Control groups"));
  assert.match(said, /Without the native library/);
});

Deno.test("doctor examines this machine without changing its answer", async () => {
  const [first, second] = [await run({ json: true }), await run({ json: true })];
  const facts = (outcome: Outcome) => (outcome.documents[0].checks as Check[]).map(({ id, status }) => `${id} ${status}`);
  assert.deepEqual(facts(first), facts(second));
  assert.ok(facts(first).includes("library yes") && facts(first).includes("kernel yes"), facts(first).join(", "));
});

Deno.test("liveProbes() answers for this process", () => {
  const probes = liveProbes();
  assert.equal(probes.uid, Deno.uid());
  assert.equal(probes.syscall("clone3"), 1);
  assert.ok(probes.capabilities !== null && probes.capabilities >= 0n);
  assert.equal(probes.library?.problem, null);
});

Deno.test("findCompiler() looks for CC first, then through PATH, and finds nothing in an empty one", () => {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-path-" });
  const [path, cc] = [Deno.env.get("PATH"), Deno.env.get("CC")];
  try {
    Deno.env.delete("CC");
    Deno.env.set("PATH", `/nonexistent:${directory}`);
    assert.equal(findCompiler(), null);
    Deno.writeTextFileSync(`${directory}/cc`, "");
    assert.equal(findCompiler(), `${directory}/cc`);
    Deno.writeTextFileSync(`${directory}/gcc`, "");
    assert.equal(findCompiler(), `${directory}/gcc`);
    Deno.env.set("CC", `${directory}/cc`);
    assert.equal(findCompiler(), `${directory}/cc`);
    Deno.env.set("CC", "absent");
    assert.equal(findCompiler(), `${directory}/gcc`);
  } finally {
    if (path === undefined) Deno.env.delete("PATH");
    else Deno.env.set("PATH", path);
    if (cc === undefined) Deno.env.delete("CC");
    else Deno.env.set("CC", cc);
    Deno.removeSync(directory, { recursive: true });
  }
});

const twoContainers = `apiVersion: nodeos/v1
containers:
  - name: sim
    cpus: 4-6
  - name: viz
    cpuCount: 2
`;

/** A file of this text, removed when it is disposed of. */
function specFile(text: string): Disposable & { readonly path: string } {
  const path = Deno.makeTempFileSync({ prefix: "nodeos-spec-", suffix: ".yaml" });
  Deno.writeTextFileSync(path, text);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

function advise(files: CapturedFiles, text = twoContainers) {
  using root = captured(files);
  return adviseBoot(root, parseSpec(text, "spec.yaml"));
}

const plain = { colour: false, quiet: false };

Deno.test("doctor --boot prints a table, costs and remedies, and last a line to paste", async () => {
  using spec = specFile(twoContainers);
  const { base } = machine("xeon-2s");
  const { printed, said, documents, error } = await run({ boot: spec.path, input: base });
  assert.equal(error, null);
  assert.deepEqual([said, documents], ["", []]);
  const lines = printed.split("\n");
  assert.equal(lines[0], "For sim on CPUs 4-6, viz on CPUs 1,17; the ServiceOS keeps CPUs 0,2-3,7-16,18-31.");
  assert.match(lines[1], /^The CPUs of viz are chosen here/);
  assert.match(printed, /^ARGUMENT +NOW +BUYS$/m);
  assert.match(printed, /^nohz_full=1,4-6,17 +not active +no timer tick/m);
  assert.match(printed, /^nohz_full=1,4-6,17\n {2}costs: .+\n {2}without it: nothing for the tick/m);
  assert.equal(
    lines.at(-1),
    'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX nohz_full=1,4-6,17 rcu_nocbs=1,4-6,17 isolcpus=managed_irq,1,4-6,17 ' +
      'irqaffinity=0,2-3,7-16,18-31 skew_tick=1"',
  );
  assert.match(printed, /nodeos never edits/);
});

Deno.test("doctor --boot --json prints one document with every argument, --quiet those that are not active", async () => {
  using spec = specFile(twoContainers);
  const { base } = machine("xeon-2s");
  const { printed, documents, error } = await run({ boot: spec.path, input: base, json: true });
  assert.equal(error, null);
  assert.equal(printed, "");
  assert.equal(documents.length, 1);
  const { containers, cpus, serviceCpus, append, remove } = documents[0];
  assert.deepEqual(containers, [{ name: "sim", cpus: [4, 5, 6], isChosen: false }, { name: "viz", cpus: [1, 17], isChosen: true }]);
  assert.deepEqual(cpus, [1, 4, 5, 6, 17]);
  assert.equal((serviceCpus as number[]).length, 27);
  assert.match(append as string, /^nohz_full=/);
  assert.deepEqual(remove, []);

  using again = captured({ ...v2, "/sys/devices/system/cpu/nohz_full": "4-6\n", "/proc/cmdline": "nohz_full=4-6 isolcpus=4-6\n" });
  using one = specFile(twoContainers.split("  - name: viz")[0]);
  const names = async (quiet: boolean) => {
    const { documents } = await run({ boot: one.path, input: again.base, json: true, quiet });
    return (documents[0].arguments as { argument: string }[]).map(({ argument }) => argument);
  };
  const [all, few] = [await names(false), await names(true)];
  assert.deepEqual(all.filter((name) => !few.includes(name)), ["nohz_full=4-6", "rcu_nocbs=4-6"]);
});

Deno.test("renderBoot() shows what has to go first, what the kernel lacks, and what is left alone", () => {
  const advice = advise({ ...v2, "/proc/cmdline": "isolcpus=4-6 mitigations=off\n", "/sys/module/rcutree/parameters/blimit": "10\n" });
  const text = renderBoot(advice, plain);
  assert.match(text, /^nohz_full=\S+: this kernel lacks CONFIG_NO_HZ_FULL, and would ignore it$/m);
  assert.match(text, /^First take these out of the kernel's command line: isolcpus=4-6$/m);
  assert.match(text, /^Also there, and left as it is: mitigations=off$/m);
  assert.match(text, /\n\nA choice, not part of the line below\nnowatchdog /);
  assert.match(text, /LINUX isolcpus=managed_irq,\S+ irqaffinity=\S+ skew_tick=1"$/);
});

Deno.test("renderBoot() says when nothing is missing, and colours only when asked to", () => {
  const text = twoContainers.split("  - name: viz")[0];
  const files = (append: string) => ({ ...v2, "/proc/cmdline": `${append}\n`, "/sys/devices/system/cpu/nohz_full": "4-6\n" });
  const advice = advise(files(advise(files(""), text).append), text);
  assert.equal(advice.append, "");
  assert.match(renderBoot(advice, plain), /\nNothing is missing from the kernel's command line\.$/);
  const coloured = renderBoot(advice, { colour: true, quiet: false });
  assert.ok(coloured.includes(`${escape}[1mnowatchdog${escape}[0m`));
  assert.equal(coloured.replaceAll(new RegExp(`${escape}\\[\\d+m`, "g"), ""), renderBoot(advice, plain));
  assert.doesNotMatch(renderBoot(advice, { colour: false, quiet: true }), /^nohz_full/m);
});

Deno.test("adviseBoot() plans as for a machine without containers, and keeps the CPUs of the ServiceOS out", () => {
  const occupied = { ...v1, "/sys/fs/cgroup/cpuset/nodeos-sim/cpuset.cpus": "4-6\n" };
  assert.deepEqual(advise(v1).cpus, [3, 4, 5, 6, 7]);
  assert.deepEqual(advise(occupied).cpus, [3, 4, 5, 6, 7]);
  const { cpus, serviceCpus } = advise(v2, twoContainers.replace("containers:", "service: { cpus: 0-1 }\ncontainers:"));
  assert.ok(cpus.every((cpu) => cpu > 1));
  assert.deepEqual([...cpus, ...serviceCpus].sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("doctor --boot tells where a specification is wrong for a machine, and what is no specification", async () => {
  using spec = specFile(twoContainers.replace("4-6", "4-60"));
  const { error, printed } = await run({ boot: spec.path, input: machine("xeon-2s").base });
  assert.ok(error instanceof Error && error.name === "SpecError");
  assert.match(error.message, /\.yaml:4:11: CPUs 32-60 do not exist/);
  assert.equal(printed, "");
  const absent = await run({ boot: `${spec.path}.absent`, input: machine("xeon-2s").base });
  assert.ok(absent.error instanceof NoSuchObjectError);
  const empty = await run({ boot: spec.path, input: "/nonexistent" });
  assert.ok(empty.error instanceof NoSuchObjectError);
});

Deno.test("doctor --boot plans for this machine without changing it", async () => {
  using spec = specFile("apiVersion: nodeos/v1\ncontainers: [{ name: sim, cpus: 0 }]\n");
  const [first, second] = [await run({ boot: spec.path, json: true }), await run({ boot: spec.path, json: true })];
  // A machine with one CPU cannot give it away.
  if (navigator.hardwareConcurrency === 1) return assert.ok(first.error instanceof Error);
  assert.equal(first.error, null);
  assert.deepEqual(first.documents, second.documents);
  assert.match(JSON.stringify(first.documents[0].arguments), /irqaffinity=1/);
});
