import assert from "node:assert/strict";
import { debianArchive, parseLines, parseStanzas } from "../../scripts/vm/apt.ts";
import { atMost, findTests, planBoots } from "../../scripts/vm/boots.ts";
import { packInitramfs } from "../../scripts/vm/initramfs.ts";
import { uncompressedImage } from "../../scripts/vm/kernel.ts";
import { qemuArguments } from "../../scripts/vm/qemu.ts";
import { requireTools, Unavailable } from "../../scripts/vm/tools.ts";
import { cannotBoot, requireVariant, variantOf, variants } from "../../scripts/vm/variant.ts";
import { checkout } from "../host.ts";

Deno.test("parseStanzas() reads what apt reads: comments, several values, lines that go on, what is disabled", () => {
  const text = `Types: deb deb-src
# URIs: file:/older/debian
URIs: file:/mirror/debian
Suites: bookworm
 bookworm-updates
Components: main

Enabled: no
Types: deb
URIs: file:/off/debian
Suites: bookworm

Types: deb-src
URIs: file:/sources/debian
Suites: bookworm
`;
  assert.deepEqual(parseStanzas(text), [{ uris: ["file:/mirror/debian"], suites: ["bookworm", "bookworm-updates"] }]);
});

Deno.test("parseLines() reads what apt reads: options, comments, sources of sources", () => {
  const text = `# deb file:/old/debian buster main
deb [arch=amd64 signed-by=/key.gpg] file:/mirror/debian bookworm main contrib
deb-src file:/mirror/debian bookworm main
  deb	file:/other  stable  main
`;
  assert.deepEqual(parseLines(text), [
    { uris: ["file:/mirror/debian"], suites: ["bookworm"] },
    { uris: ["file:/other"], suites: ["stable"] },
  ]);
});

Deno.test("debianArchive() finds the archive, and neither its security updates nor somebody else's packages", () => {
  const security = { uris: ["file:/mirror/debian-security"], suites: ["bookworm-security"] };
  const others = { uris: ["file:/packages/apt"], suites: ["bookworm"] };
  const foreign = { uris: ["file:/mirror/debian"], suites: ["jammy"] };
  const archive = { uris: ["file:/mirror/debian/"], suites: ["trixie", "trixie-updates"] };
  const mirrors = { uris: ["mirror+file:/etc/apt/mirrors/debian.list"], suites: ["bookworm"] };
  assert.equal(debianArchive([security, others, foreign]), null);
  assert.equal(debianArchive([security, others, archive, mirrors]), "file:/mirror/debian/");
  assert.equal(debianArchive([mirrors]), "mirror+file:/etc/apt/mirrors/debian.list");
});

Deno.test("packInitramfs() writes an archive that the kernel can walk", () => {
  const archive = packInitramfs([{ path: "bin" }, { path: "bin/tool", bytes: new Uint8Array([1, 2, 3]) }]);
  const text = new TextDecoder("latin1").decode(archive);
  const found: [name: string, mode: number, bytes: string][] = [];
  for (let at = 0; at < text.length;) {
    assert.equal(text.slice(at, at + 6), "070701");
    const field = (index: number) => Number.parseInt(text.slice(at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const bytesAt = (at + 110 + nameSize + 3) & ~3;
    found.push([text.slice(at + 110, at + 109 + nameSize), mode, text.slice(bytesAt, bytesAt + size)]);
    at = (bytesAt + size + 3) & ~3;
  }
  assert.deepEqual(found, [["bin", 0o040755, ""], ["bin/tool", 0o100755, "\x01\x02\x03"], ["TRAILER!!!", 0, ""]]);
});

async function bzImage(image: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([image]).stream().pipeThrough(new CompressionStream("gzip"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  const bytes = new Uint8Array(1024 + 512 + packed.length + 4);
  const header = new DataView(bytes.buffer);
  header.setUint8(0x1f1, 1);
  header.setUint32(0x248, 512, true);
  header.setUint32(0x24c, packed.length + 4, true);
  bytes.set(packed, 1536);
  header.setUint32(1536 + packed.length, image.length, true);
  return bytes;
}

Deno.test("uncompressedImage() finds the ELF image where the header says it is", async () => {
  const image = new TextEncoder().encode("\x7fELF and more");
  assert.deepEqual(await uncompressedImage(await bzImage(image)), image);
});

Deno.test("uncompressedImage() refuses what is no kernel", async () => {
  await assert.rejects(uncompressedImage(await bzImage(new TextEncoder().encode("no kernel"))), /Cannot find the ELF image/);
});

Deno.test("requireTools() names each missing package once, and how to install it", () => {
  const have = (...missing: string[]) => (program: string) => missing.includes(program) ? null : `/usr/bin/${program}`;
  requireTools(have());
  assert.throws(
    () => requireTools(have("apt-get", "apt-cache", "qemu-system-x86_64")),
    (error) => error instanceof Unavailable && error.message.endsWith("apt-get install --no-install-recommends qemu-system-x86 apt"),
  );
});

const old = { release: "6.1.0-50-amd64", imagePath: "/old", modulePaths: [] };
const young = { release: "7.2.12+deb13-amd64", imagePath: "/young", modulePaths: [] };

Deno.test("planBoots() gives every variant its own tests on every kernel, the longest first, and names what cannot be", () => {
  const chosen = ["smt", "cgroup1", "standard"].map(variantOf);
  const tests = new Map([["standard", ["a", "b", "c"]], ["smt", ["d"]], ["cgroup1", ["e", "f"]], ["systemd", ["g"]]]);
  const { boots, skips } = planBoots([old, young], chosen, tests);
  assert.deepEqual(boots.map(({ kernel, variant, tests }) => [kernel.imagePath, variant.name, tests.join("")]), [
    ["/old", "standard", "abc"],
    ["/young", "standard", "abc"],
    ["/old", "cgroup1", "ef"],
    ["/old", "smt", "d"],
    ["/young", "smt", "d"],
  ]);
  assert.deepEqual(skips, ["cgroup1 on 7.2.12+deb13-amd64: from 6.12 on Debian's kernels have no cpuset of cgroup v1 any more"]);
});

Deno.test("cannotBoot() compares versions by number", () => {
  const reasons = ["5.10.0-1", "6.9.1", "6.11.2", "6.12.0", "7.0.1"].map((release) => cannotBoot(variantOf("cgroup1"), release));
  assert.deepEqual(reasons.map((reason) => reason === null), [true, true, true, false, false]);
  assert.equal(cannotBoot(variantOf("smt"), "7.0.1"), null);
});

Deno.test("variantOf() refuses a name that it does not know, and says which it knows", () => {
  assert.throws(() => variantOf("arm"), /^TypeError: Cannot boot the variant arm: there are standard, fake-numa, .*, systemd$/);
});

Deno.test("requireVariant() asks for systemd where it is the first process, and nowhere else", () => {
  const nothing = () => false;
  assert.throws(
    () => requireVariant(variantOf("systemd"), nothing),
    (error) => error instanceof Unavailable && /systemd/.test(error.message),
  );
  for (const variant of variants.filter(({ hasSystemd }) => !hasSystemd)) requireVariant(variant, nothing);
});

Deno.test("findTests() finds the tests of every variant, each in one place, and narrows them by their paths", () => {
  const tests = findTests(checkout, "");
  assert.deepEqual([...tests.keys()].sort(), variants.map(({ name }) => name).sort());
  assert.ok(tests.get("standard")!.every((path) => /^tests\/vm\/\w+_test\.ts$/.test(path)));
  assert.deepEqual([...findTests(checkout, "smt/boot")], [["smt", ["tests/vm/smt/boot_test.ts"]]]);
  assert.deepEqual([...findTests(checkout, "no such file")], []);
});

Deno.test("findTests() refuses tests of a variant that does not exist: they would never run", () => {
  const root = Deno.makeTempDirSync();
  Deno.mkdirSync(`${root}/tests/vm/smtt`, { recursive: true });
  Deno.writeTextFileSync(`${root}/tests/vm/smtt/boot_test.ts`, "");
  assert.throws(() => findTests(root, ""), /Cannot run tests\/vm\/smtt\/boot_test\.ts: there is no variant smtt/);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("atMost() keeps the order, and never has more at once", async () => {
  let running = 0;
  let most = 0;
  const started: number[] = [];
  const results = await atMost(2, [30, 1, 1, 1, 1], async (ms) => {
    started.push(ms);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, ms));
    running--;
    return ms * 2;
  });
  assert.deepEqual({ results, started, most }, { results: [60, 2, 2, 2, 2], started: [30, 1, 1, 1, 1], most: 2 });
});

Deno.test("qemuArguments() describes the CPUs and the NUMA nodes of a variant, and hands on its boot arguments", () => {
  const describe = (name: string) => {
    const args = qemuArguments({
      variant: variantOf(name),
      memoryMib: 4096,
      imagePath: "/vmlinux",
      kernelArguments: ["more"],
      outDirectory: "/out",
    });
    const after = (option: string) => args.flatMap((arg, index) => arg === option ? [args[index + 1]] : []);
    return { smp: after("-smp"), nodes: after("-numa"), words: after("-append")[0].split(" ").slice(5) };
  };
  assert.deepEqual(describe("smt"), {
    smp: ["cpus=8,sockets=1,cores=4,threads=2"],
    nodes: [0, 1, 2, 3].map((node) => `node,nodeid=${node},memdev=memory${node},cpus=${2 * node}-${2 * node + 1}`),
    words: ["more"],
  });
  assert.deepEqual(describe("fake-numa"), {
    smp: ["cpus=8,sockets=1,cores=8,threads=1"],
    nodes: ["node,nodeid=0,memdev=memory0,cpus=0-7"],
    words: ["numa=fake=8", "more"],
  });
});
