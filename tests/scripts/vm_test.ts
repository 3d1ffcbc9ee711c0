import assert from "node:assert/strict";
import { debianArchive, parseLines, parseStanzas } from "../../scripts/vm/apt.ts";
import { packInitramfs } from "../../scripts/vm/initramfs.ts";
import { uncompressedImage } from "../../scripts/vm/kernel.ts";
import { requireTools, Unavailable } from "../../scripts/vm/tools.ts";

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
