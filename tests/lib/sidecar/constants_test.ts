import assert from "node:assert/strict";
import { constants, parseInteger } from "../../../lib/sidecar/constants.ts";

const headers = [
  "stdio.h",
  "fcntl.h",
  "unistd.h",
  "linux/openat2.h",
  "sys/file.h",
  "sys/stat.h",
  "sys/xattr.h",
  "linux/falloc.h",
  "linux/stat.h",
  "time.h",
];
/** glibc hides them from 64-bit programs, or the headers here are older. */
const notInHeaders = new Set(["O_LARGEFILE"]);

for (const architecture of ["x86_64", "aarch64"] as const) {
  const compiler = architecture === Deno.build.arch ? "gcc" : `${architecture}-linux-gnu-gcc`;
  const missing = await runs(compiler) ? "" : ` [needs ${compiler}]`;

  Deno.test({
    name: `constants of ${architecture} are those of the C headers${missing}`,
    ignore: missing !== "",
    async fn() {
      const lines = [...constants[architecture]].filter(([name]) => !notInHeaders.has(name)).map(([name, value]) =>
        `#ifdef ${name}\n_Static_assert((long long) (${name}) == ${value}LL, "${name}");\n#else\n_Static_assert(0, "no ${name}");\n#endif`
      );
      const source = `#define _GNU_SOURCE\n${headers.map((name) => `#include <${name}>`).join("\n")}
#include <sys/mman.h>
#include <sys/random.h>
${lines.join("\n")}\nint main(void) { return 0; }\n`;
      const compile = new Deno.Command(compiler, {
        args: ["-fsyntax-only", "-xc", "-"],
        stdin: "piped",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const writer = compile.stdin.getWriter();
      await writer.write(new TextEncoder().encode(source));
      await writer.close();
      const { stderr } = await compile.output();
      assert.equal(new TextDecoder().decode(stderr), "");
    },
  });
}

Deno.test("parseInteger() reads numbers in three bases, names, and sums of them", () => {
  assert.equal(parseInteger("0o644", "x86_64"), 0o644);
  assert.equal(parseInteger("0644", "x86_64"), 0o644);
  assert.equal(parseInteger("0", "x86_64"), 0);
  assert.equal(parseInteger("0x1ff", "x86_64"), 0x1ff);
  assert.equal(parseInteger("-1", "x86_64"), -1);
  assert.equal(parseInteger("O_WRONLY | O_CREAT|O_TRUNC", "x86_64"), 0o1101);
  assert.equal(parseInteger("o_directory", "aarch64"), 0o40000);
  assert.equal(parseInteger("O_DIRECTORY", "x86_64"), 0o200000);
});

Deno.test("parseInteger() keeps what a number cannot hold", () => {
  assert.equal(parseInteger("18446744073709551615", "x86_64"), 2n ** 64n - 1n);
  assert.equal(parseInteger("0xffffffffffffffff", "x86_64"), 2n ** 64n - 1n);
  assert.equal(parseInteger("-9223372036854775808", "x86_64"), -(2n ** 63n));
});

Deno.test("parseInteger() says what is wrong with a term", () => {
  for (const text of ["", " ", "|", "1|", "1.5", "1e3", "0b1", "089", "-01", "--1", "toString", "__proto__"]) {
    assert.throws(() => parseInteger(text, "x86_64"), /is no number and no constant/, text);
  }
  assert.throws(() => parseInteger("O_RDONLI", "x86_64"), /"O_RDONLI" is no number and no constant; did you mean "O_RDONLY"\?/);
  assert.throws(() => parseInteger("18446744073709551616", "x86_64"), /does not fit 64 bits/);
  assert.throws(() => parseInteger("-9223372036854775809", "x86_64"), /does not fit 64 bits/);
});

Deno.test("parseInteger() gives the same after more words than it keeps", () => {
  for (let i = 0; i < 1000; i++) assert.equal(parseInteger(`${i}|O_CLOEXEC`, "x86_64"), i | 0o2000000);
});

async function runs(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}
