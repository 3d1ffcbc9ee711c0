import assert from "node:assert/strict";
import { SpecError } from "../../../lib/container/spec.ts";
import { parseSpec, readSpecFile } from "../../../lib/container/spec_file.ts";
import { NodeosError, NoSuchObjectError, UsageError } from "../../../lib/errors.ts";
import { nodeFeatures, quietPreset } from "../../../lib/feature/node_features.ts";

const head = "apiVersion: nodeos/v1\n";
const full = `${head}service: { cpus: "0-1", protect: [sshd, "slurmd*", 4711] }
containers:
  - name: sim
    cpus: 2-15
    memory: { limit: 64GiB, nodes: "0-1" }
    pids: 4096
    features:
      scheduling: cooperative
      loadBalancing: off
      swap: off
      tasks: away
    cache: { l3: 50%, memoryBandwidth: 20 }
    devices: [/dev/nvidia0, /dev/fuse]
    command: [./solver, input.dat]
  - name: viz
    cpuCount: 4
`;

function refusalOf(text: string): NodeosError {
  try {
    parseSpec(text, "x.yaml");
  } catch (error) {
    assert.ok(error instanceof SpecError || error instanceof UsageError, `${error}`);
    assert.equal(error.exitCode, 2);
    return error;
  }
  return assert.fail(`accepted: ${text}`);
}

/** The issues of a file, as lines `line:column: message`. */
function issuesOf(text: string): string[] {
  const { message } = refusalOf(text);
  return message.split("\n").filter((line) => line.startsWith("  x.yaml:")).map((line) => line.slice("  x.yaml:".length));
}

/** The issues of one container, written in flow style; places are those inside the braces, from 1. */
function issuesIn(container: string): string[] {
  return issuesOf(`${head}containers:\n - ${container}\n`).map((line) => {
    const [, number, rest] = /^3:(\d+): (.*)$/.exec(line) ?? assert.fail(line);
    return `${Number(number) - 3}: ${rest}`;
  });
}

const container = (text: string) => parseSpec(`${head}containers:\n - ${text}\n`, "x.yaml").request.containers[0];

Deno.test("parseSpec() reads everything that a file may say", () => {
  const { request } = parseSpec(full, "x.yaml");
  const open = {
    cpus: undefined,
    cpuCount: undefined,
    nodes: undefined,
    memoryBytes: undefined,
    memory: undefined,
    pidsMax: undefined,
    scheduling: undefined,
    loadBalancing: undefined,
    swap: undefined,
    quiet: {},
    cache: undefined,
    devices: undefined,
    syscalls: undefined,
    command: undefined,
  };
  assert.deepEqual(request, {
    serviceCpus: [0, 1],
    protect: ["sshd", "slurmd*", "4711"],
    containers: [
      {
        ...open,
        name: "sim",
        cpus: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        memoryBytes: 64 * 2 ** 30,
        nodes: [0, 1],
        pidsMax: 4096,
        scheduling: { policy: "cooperative", throttle: "lift" },
        loadBalancing: "off",
        swap: "off",
        quiet: { tasks: true },
        cache: { l3: 50, memoryBandwidth: 20 },
        devices: ["/dev/nvidia0", "/dev/fuse"],
        command: ["./solver", "input.dat"],
      },
      { ...open, name: "viz", cpuCount: 4 },
    ],
  });
});

Deno.test("parseSpec() takes CPUs as text, as a number, and as a list of numbers", () => {
  for (const cpus of ['"2-4"', "2-4", "[2, 3, 4]", "[4, 2, 3, 2]", "'4,2-3'", "2,3,4"]) {
    assert.deepEqual(
      container(`{ name: a, cpus: ${cpus.includes(",") && !/["'[]/.test(cpus) ? `"${cpus}"` : cpus} }`).cpus,
      [2, 3, 4],
      cpus,
    );
  }
  assert.deepEqual(container("{ name: a, cpus: 7 }").cpus, [7]);
  assert.deepEqual(parseSpec(`${head}containers:\n - name: a\n   cpus: 1,3\n`, "x.yaml").request.containers[0].cpus, [1, 3]);
});

Deno.test("parseSpec() takes off and on as words and as booleans", () => {
  for (const [text, expected] of [["off", "off"], ["on", "on"], ["false", "off"], ["true", "on"], ['"off"', "off"]] as const) {
    assert.equal(container(`{ name: a, cpus: 1, features: { loadBalancing: ${text} } }`).loadBalancing, expected);
  }
});

Deno.test("parseSpec() takes each feature of the whole node in its own two words, and as a boolean", () => {
  for (const { name, words: [enabled, disabled] } of nodeFeatures) {
    const quiet = (text: string) => container(`{ name: a, cpus: 1, features: { ${name}: ${text} } }`).quiet;
    assert.deepEqual(quiet(enabled), { [name]: true }, `${name}: ${enabled}`);
    assert.deepEqual(quiet(disabled), { [name]: false }, `${name}: ${disabled}`);
    // Who writes cStates: false wants none of them, as with cStates: off.
    assert.deepEqual(quiet(enabled === "off" ? "false" : "true"), { [name]: true }, name);
    assert.deepEqual(quiet(enabled === "off" ? "true" : "false"), { [name]: false }, name);
    for (const wrong of ["maybe", enabled.toUpperCase(), "1", "~", `[${enabled}]`, "{}"]) {
      const [issue, ...more] = issuesIn(`{ name: a, cpus: 1, features: { ${name}: ${wrong} } }`);
      assert.match(issue, new RegExp(`^${35 + name.length}: ${name} is `), wrong);
      assert.deepEqual(more, []);
    }
  }
});

Deno.test("parseSpec() takes off for swap as a word and as a boolean", () => {
  for (const [text, expected] of [["off", "off"], ["on", "on"], ["false", "off"], ["true", "on"]] as const) {
    assert.equal(container(`{ name: a, cpus: 1, features: { swap: ${text} } }`).swap, expected, text);
  }
});

Deno.test("parseSpec() reads preset quiet, with some switched off again and others on besides", () => {
  const { quiet } = container("{ name: a, cpus: 1, features: { tasks: stay, preset: quiet, smtSiblings: idle, watchdog: away } }");
  const expected = Object.fromEntries(quietPreset.map((name) => [name, name !== "tasks"]));
  assert.deepEqual(quiet, { ...expected, smtSiblings: true });
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, features: { preset: silent } }"), ['41: preset is "silent"']);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, features: { preset: [quiet] } }"), ["41: preset is a list"]);
});

Deno.test("parseSpec() takes parts of caches as percentages, both or one or none", () => {
  const cache = (text: string) => container(`{ name: a, cpus: 1, cache: ${text} }`).cache;
  assert.deepEqual(cache("{ l3: 50%, memoryBandwidth: 20% }"), { l3: 50, memoryBandwidth: 20 });
  assert.deepEqual(cache("{ l3: 1 }"), { l3: 1 });
  assert.deepEqual(cache('{ memoryBandwidth: "100%" }'), { memoryBandwidth: 100 });
  assert.deepEqual(cache("{}"), {});
  for (const wrong of ["0", "101%", "half", "50 %", "1.5", "-1", "~", "[50]", "true"]) {
    assert.equal(issuesIn(`{ name: a, cpus: 1, cache: { l3: ${wrong} } }`).length, 1, wrong);
  }
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, cache: { l3: half } }"), ['34: Cannot read "half" as a percentage']);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, cache: 50% }"), ['28: cache is "50%"']);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, cache: { l2: 5 } }"), ['30: unknown key "l2"; did you mean "l3"?']);
});

Deno.test("parseSpec() takes devices as a list of paths, also an empty one", () => {
  assert.deepEqual(container("{ name: a, cpus: 1, devices: [] }").devices, []);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, devices: /dev/fuse }"), ['30: devices is "/dev/fuse"']);
  assert.deepEqual(issuesIn('{ name: a, cpus: 1, devices: [7, "", /dev/fuse, ~] }'), [
    "31: a device is 7",
    "34: a device is empty",
    "49: a device is empty",
  ]);
});

Deno.test("parseSpec() takes a command as a line for the shell, and as words", () => {
  assert.deepEqual(container("{ name: a, cpus: 1, command: ./solver input.dat > log }").command, [
    "/bin/sh",
    "-c",
    "./solver input.dat > log",
  ]);
  assert.deepEqual(container('{ name: a, cpus: 1, command: [sleep, "10", ""] }').command, ["sleep", "10", ""]);
  for (const [wrong, is] of [["[]", "a list"], ['""', "empty"], ["[sleep, 10]", "a list"], ["{ a: b }", "a map"]]) {
    assert.deepEqual(issuesIn(`{ name: a, cpus: 1, command: ${wrong} }`), [`30: command is ${is}`]);
  }
  assert.deepEqual(issuesIn('{ name: a, cpus: 1, command: [""] }'), ["31: the program is empty"]);
  assert.match(refusalOf(`${head}containers: [{ name: a, cpus: 1, command: [sleep, 10] }]\n`).message, /numbers in quotes/);
});

Deno.test("parseSpec() takes programs to protect by name and by process id", () => {
  const protect = (list: string) => `${head}service: { cpus: 0, protect: ${list} }\ncontainers: [{ name: a, cpus: 1 }]\n`;
  assert.deepEqual(parseSpec(protect('[sshd, "*", 1, "77"]'), "x.yaml").request.protect, ["sshd", "*", "1", "77"]);
  assert.deepEqual(parseSpec(protect("[]"), "x.yaml").request.protect, []);
  assert.deepEqual(issuesOf(protect("sshd")), ['2:30: protect is "sshd"']);
  assert.deepEqual(issuesOf(protect('[sshd, "", 0, 1.5, [a], ~]')), [
    "2:37: a protected program is empty",
    "2:41: a protected program is 0",
    "2:44: a protected program is 1.5",
    "2:49: a protected program is a list",
    "2:54: a protected program is empty",
  ]);
  assert.match(issuesOf(`${head}service: { protect: [sshd] }\ncontainers: [{ name: a, cpus: 1 }]\n`)[0], /^2:10: cpus is missing/);
});

Deno.test("parseSpec() says where a feature belongs that is in the wrong map", () => {
  assert.match(issuesIn("{ name: a, cpus: 1, tasks: away }")[0], /^21: unknown key "tasks"; it belongs under features/);
  assert.match(issuesIn("{ name: a, cpus: 1, features: { command: ls } }")[0], /unknown key "command"; it belongs to a container/);
  assert.match(issuesOf(`${head}protect: [a]\ncontainers: [{ name: a, cpus: 1 }]\n`)[0], /unknown key "protect"; it belongs under service/);
});

Deno.test("parseSpec() takes scheduling as a word or as a map", () => {
  const scheduling = (text: string) => container(`{ name: a, cpus: 1, features: { scheduling: ${text} } }`).scheduling;
  assert.deepEqual(scheduling("fair"), { policy: "fair" });
  assert.deepEqual(scheduling("{ policy: fair, nice: 5 }"), { policy: "fair", nice: 5 });
  assert.deepEqual(scheduling("{ policy: cooperative, throttle: keep }"), { policy: "cooperative", throttle: "keep" });
  assert.deepEqual(scheduling("{ policy: deadline, runtime: 5ms, period: 10ms, deadline: 8ms }"), {
    policy: "deadline",
    runtimeNs: 5e6,
    deadlineNs: 8e6,
    periodNs: 1e7,
  });
});

Deno.test("parseSpec() reads anchors, comments, JSON, Windows line ends and a byte order mark", () => {
  assert.equal(container("{ name: a, cpus: &x 1, pids: *x }").pidsMax, 1);
  assert.equal(parseSpec(`# mine\n${full}# end\n`, "x.yaml").request.containers.length, 2);
  assert.equal(
    parseSpec(JSON.stringify({ apiVersion: "nodeos/v1", containers: [{ name: "a", cpus: [1] }] }), "x.json").request.containers.length,
    1,
  );
  assert.equal(parseSpec(full.replaceAll("\n", "\r\n"), "x.yaml").request.containers.length, 2);
  assert.equal(parseSpec(`\ufeff${full}`, "x.yaml").request.containers.length, 2);
});

Deno.test("locate() finds a value, and the nearest map of one that is not in the file", () => {
  const { locate } = parseSpec(full, "x.yaml");
  assert.equal(locate(["containers", 0, "cpus"]), "x.yaml:5:11");
  assert.equal(locate(["containers", 0, "memory", "nodes"]), "x.yaml:6:36");
  assert.equal(locate(["service", "cpus"]), "x.yaml:2:18");
  assert.equal(locate(["containers", 1, "memory", "limit"]), "x.yaml:16:5");
  assert.equal(locate(["containers", 7]), "x.yaml:4:3");
  assert.equal(locate([]), "x.yaml:1:1");
});

Deno.test("locate() of a value that is an alias is where the alias stands", () => {
  const { locate } = parseSpec(`${head}containers:\n - { name: a, cpus: &c 1 }\n - { name: b, cpus: *c }\n`, "x.yaml");
  assert.equal(locate(["containers", 1, "cpus"]), "x.yaml:4:21");
});

Deno.test("parseSpec() collects everything that is wrong, in the order of the file", () => {
  const text = `apiVersion: nodeos/v2
servce: { cpus: "0-1" }
containers:
  - nam: sim
    cpus: 2-1
    pids:
    features:
      scheduling: coop
`;
  assert.deepEqual(issuesOf(text), [
    '1:13: apiVersion is "nodeos/v2"',
    '2:1: unknown key "servce"; did you mean "service"?',
    "4:5: name is missing",
    '4:5: unknown key "nam"; did you mean "name"?',
    '5:11: Cannot read "2-1" as a list of numbers',
    "6:5: pids is empty",
    '8:19: Cannot use "coop" as scheduling',
  ]);
});

Deno.test("parseSpec() says what a value is that should be another sort of thing", () => {
  assert.deepEqual(issuesIn("{ name: [a], cpus: { a: 1 }, memory: 64GiB, features: [off] }"), [
    "9: name is a list",
    "20: cpus is a map",
    '38: memory is "64GiB"',
    "55: features is a list",
  ]);
  assert.deepEqual(issuesOf("containers: {}\n"), ["1:1: apiVersion is missing", "1:13: containers is a map"]);
  assert.deepEqual(issuesOf(`${head}containers: []\n`), ["2:13: there is no container"]);
  assert.deepEqual(issuesOf(`${head}containers: [sim]\n`), ['2:14: container is "sim"']);
  assert.deepEqual(issuesOf(""), ["1:1: the specification is empty"]);
  assert.deepEqual(issuesOf("just words"), ['1:1: the specification is "just words"']);
});

Deno.test("parseSpec() wants CPUs by number or by count, one of them", () => {
  assert.deepEqual(issuesIn("{ name: a }"), ["1: there are no CPUs"]);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, cpuCount: 1 }"), ["31: cpus and cpuCount are both given"]);
  assert.deepEqual(issuesIn('{ name: a, cpus: "" }'), ["18: cpus is empty"]);
  assert.deepEqual(issuesIn("{ name: a, cpus: [] }"), ["18: cpus is empty"]);
});

Deno.test("parseSpec() refuses names, sizes and numbers as the command line does", () => {
  assert.match(issuesIn("{ name: a/b, cpus: 1 }")[0], /^9: Cannot use "a\/b" as the name/);
  assert.match(issuesIn("{ name: .., cpus: 1 }")[0], /^9: Cannot use/);
  assert.match(issuesIn("{ name: 5, cpus: 1 }")[0], /^9: name is 5/);
  for (const value of ["-1", "1.5", "1e9", ".inf", ".nan", "[1.5]", "[-1]", "[a]", "99999", "0x", "true", "~", "1 2"]) {
    assert.equal(issuesIn(`{ name: a, cpus: ${value} }`).length, 1, `cpus: ${value}`);
  }
  for (const value of ["0", "-4", "2.5", "all", "true", "[4]", "1e10"]) {
    assert.equal(issuesIn(`{ name: a, cpuCount: ${value} }`).length, 1, `cpuCount: ${value}`);
    assert.equal(issuesIn(`{ name: a, cpus: 1, pids: ${value} }`).length, 1, `pids: ${value}`);
  }
  for (const value of ["0", "-1GiB", "64Gi", "lots", "true", "1e30", "[1GiB]"]) {
    assert.equal(issuesIn(`{ name: a, cpus: 1, memory: { limit: ${value} } }`).length, 1, `limit: ${value}`);
  }
});

Deno.test("parseSpec() points at the option of scheduling that is wrong", () => {
  const scheduling = (text: string) => issuesIn(`{ name: a, cpus: 1, features: { scheduling: ${text} } }`);
  assert.deepEqual(scheduling("{ policy: fair, nice: 50 }"), ['67: Cannot use "50" as nice']);
  assert.deepEqual(scheduling("{ policy: deadline, runtime: 5, period: x }"), [
    '74: Cannot read "5" as a duration',
    '85: Cannot read "x" as a duration',
  ]);
  assert.deepEqual(scheduling("{ policy: deadline, runtme: 5ms, period: 10ms, runtime: 1ms }"), [
    '65: Cannot use option "runtme" with scheduling deadline; did you mean "runtime"?',
  ]);
  assert.deepEqual(scheduling("{ nice: 5 }"), ["45: policy is missing"]);
  assert.deepEqual(scheduling("{ policy: fair, nice: [5] }"), ['67: "nice" is a list']);
  assert.deepEqual(scheduling("[fair]"), ["45: scheduling is a list"]);
  assert.match(scheduling("deadline")[0], /^45: Cannot use scheduling deadline without a budget/);
});

Deno.test("parseSpec() reads units of memory, from the shortest to all that one can say", () => {
  assert.deepEqual(container("{ name: a, cpus: 1, memory: { units: [{ node: 1 }] } }").memory?.units, [
    { bytes: undefined, node: 1, pageBytes: undefined, backend: undefined, object: undefined },
  ]);
  const whole = "units: [{ size: 1GiB, node: 0, page: 2MiB, backend: hugetlb, object: halo }], policy: interleave, programs: none";
  assert.deepEqual(container(`{ name: a, cpus: 1, memory: { ${whole}, owner: "1000:100" } }`).memory, {
    units: [{ bytes: 2 ** 30, node: 0, pageBytes: 2 ** 21, backend: "hugetlb", object: "halo" }],
    policy: "interleave",
    programs: "none",
    owner: { uid: 1000, gid: 100 },
  });
});

Deno.test("parseSpec() says what is wrong with a unit of memory, and where", () => {
  const units = (text: string) => issuesIn(`{ name: a, cpus: 1, memory: { units: ${text} } }`);
  assert.deepEqual(units("[]"), ["38: units is a list"]);
  assert.deepEqual(units("[{ size: 1 Gib, node: -1 }]"), ["60: node is -1"]);
  assert.deepEqual(units("[{ size: -1 }]"), ['47: Cannot read "-1" as a size']);
  assert.deepEqual(units("[{ size: 1GiB, backend: huge }]"), ['62: backend is "huge"']);
  assert.deepEqual(units("[{ siez: 1GiB }]"), ['41: unknown key "siez"; did you mean "size"?']);
  assert.deepEqual(units("[{ limit: 1GiB }]"), ['41: unknown key "limit"; it belongs under memory']);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, memory: { page: 1GiB } }"), ['31: unknown key "page"; it belongs to a unit']);
});

Deno.test("parseSpec() refuses keys that are there twice, once for each", () => {
  assert.deepEqual(issuesOf(`${full}${head}${head}`), ['19:1: key "apiVersion" is there twice']);
  assert.deepEqual(issuesIn("{ name: a, cpus: 1, cpus: 2 }"), ['21: key "cpus" is there twice']);
});

Deno.test("parseSpec() refuses keys that JavaScript would misunderstand", () => {
  assert.match(issuesIn("{ name: a, cpus: 1, __proto__: { pids: 1 } }")[0], /^21: unknown key "__proto__"/);
  assert.match(issuesIn("{ name: a, cpus: 1, features: { constructor: 1 } }")[0], /unknown key "constructor"/);
  assert.match(issuesIn("{ name: a, cpus: 1, <<: { pids: 1 } }")[0], /unknown key "<<"/);
  assert.match(issuesIn("{ name: a, cpus: 1, features: { scheduling: { policy: fair, __proto__: { nice: 5 } } } }")[0], /"__proto__"/);
});

Deno.test("parseSpec() shows the line of what is no YAML, with a mark below", () => {
  const cases: [string, RegExp][] = [
    ["containers:\n  - name: a\n    cpus: 2: 3\n", /^Cannot read x\.yaml:3:11: .*\n {4} {4}cpus: 2: 3\n {14}\^$/],
    ["a:\n\tb: 1\n", /^Cannot read x\.yaml:2:1: Tabs/],
    ["a: [1, 2\nb: 3\n", /^Cannot read x\.yaml:2:1: /],
    ['a: "b\n', /^Cannot read x\.yaml:/],
    ["a: @b\n", /^Cannot read x\.yaml:1:4: /],
    ["a: !tag b\n", /^Cannot read x\.yaml:1:4: /],
    ["a: *b\n", /^Cannot read x\.yaml:1:4: .*anchor "b"/],
    ["a: 1\n---\nb: 2\n", /^Cannot read x\.yaml:2:1: a second document/],
    ["%TAG\n---\na: 1\n", /^Cannot read x\.yaml:1:1: /],
    ["? [a]\n: b\n", /^Cannot read x\.yaml:1:3: /],
    ["a: b\0\n", /^Cannot read x\.yaml:1:5: there is a control character/],
  ];
  for (const [text, pattern] of cases) {
    const error = refusalOf(text);
    assert.match(error.message, pattern);
    assert.ok(error instanceof UsageError && error.remedy, text);
  }
});

Deno.test("parseSpec() refuses what would take long, and soon", () => {
  const startMs = performance.now();
  const texts = [
    "[".repeat(100_000),
    "{".repeat(100_000),
    "- ".repeat(80_000),
    "? ".repeat(80_000),
    Array.from({ length: 400 }, (_, index) => `${" ".repeat(index)}a:`).join("\n"),
    "a: &a [x, x, x, x, x, x, x, x, x]\n" +
    Array.from("bcdefghi", (name, index) => `${name}: &${name} [${`*${"abcdefghi"[index]}, `.repeat(9)}]\n`).join(""),
    `a: &a 1\nb: [${"*a, ".repeat(100_000)}]\n`,
    "a: &a { b: *a }\n",
    "a: &a [[*a]]\n",
    Array.from({ length: 60_000 }, (_, index) => `k${index}: 1\n`).join(""),
    `${head}containers: [{ name: a, cpus: "${"0-9999,".repeat(100_000)}1" }]\n`,
    `? ${"k".repeat(900_000)}\n: 1\n`,
    `${head}containers:\n${"- { cpu: 1 }\n".repeat(10_000)}`,
    `a: ${"!".repeat(300_000)}\n`,
    '"" '.repeat(200_000),
  ];
  for (const text of texts) {
    const { message } = refusalOf(text);
    assert.ok(message.split("\n").length <= 18 && message.length < 4000, message.slice(0, 200));
  }
  assert.ok(performance.now() - startMs < 60_000);
});

Deno.test("readSpecFile() reads a file, and says its name in errors", () => {
  const path = Deno.makeTempFileSync({ suffix: ".yaml" });
  try {
    Deno.writeTextFileSync(path, full);
    const { request, locate } = readSpecFile(path);
    assert.equal(request.containers.length, 2);
    assert.equal(locate(["containers", 0, "name"]), `${path}:4:11`);
    Deno.writeTextFileSync(path, "apiVersion: 5\n");
    assert.throws(
      () => readSpecFile(path),
      (error) => error instanceof SpecError && error.message.includes(`${path}:1:13: apiVersion is 5`),
    );
  } finally {
    Deno.removeSync(path);
  }
  assert.throws(() => readSpecFile(path), NoSuchObjectError);
});

Deno.test("readSpecFile() of - reads standard input", async () => {
  const script = `import { readSpecFile } from ${JSON.stringify(import.meta.resolve("../../../lib/container/spec_file.ts"))};
const { request, locate } = readSpecFile("-");
console.log(request.containers.length, locate(["containers"]));`;
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["eval", `--config=${config}`, script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(full));
  await writer.close();
  assert.equal(new TextDecoder().decode((await process.output()).stdout), "2 stdin:4:3\n");
});
