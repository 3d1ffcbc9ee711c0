import assert from "node:assert/strict";
import { CapturedRoot } from "../../ffi/captured_root.ts";
import "./host.ts";

/** A captured machine of three files, removed when disposed. */
class Captured implements Disposable {
  readonly #base = Deno.makeTempDirSync({ prefix: "nodeos-captured-" });
  readonly files = new CapturedRoot(this.#base);

  constructor() {
    Deno.mkdirSync(`${this.#base}/sys/devices/cpu1`, { recursive: true });
    Deno.writeTextFileSync(`${this.#base}/sys/devices/online`, "0-3\n");
    Deno.writeTextFileSync(`${this.#base}/sys/devices/empty`, "");
    Deno.symlinkSync("cpu1", `${this.#base}/sys/devices/first`);
    Deno.symlinkSync("nowhere", `${this.#base}/sys/devices/broken`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#base, { recursive: true });
  }
}

Deno.test("CapturedRoot reads, lists and follows links below its base", () => {
  using captured = new Captured();
  const { files } = captured;
  assert.equal(files.read("/sys/devices/online"), "0-3\n");
  assert.equal(files.tryRead("/sys/devices/empty"), "");
  assert.deepEqual(files.list("/sys/devices"), [
    { name: "broken", kind: "link" },
    { name: "cpu1", kind: "directory" },
    { name: "empty", kind: "file" },
    { name: "first", kind: "link" },
    { name: "online", kind: "file" },
  ]);
  assert.equal(files.link("/sys/devices/first"), "cpu1");
  assert.equal(files.link("/sys/devices/broken"), "nowhere");
});

Deno.test("CapturedRoot answers as the kernel does for what is not there", () => {
  using captured = new Captured();
  const { files } = captured;
  for (const path of ["/sys/none", "/sys/devices/online/below", "/sys/devices/broken"]) {
    assert.equal(files.tryRead(path), null);
    assert.deepEqual(files.list(path), []);
    assert(!files.exists(path));
    assert.throws(() => files.read(path), {
      name: "SysError",
      code: "ENOENT",
      message: new RegExp(`^Cannot read ${path} of the machine captured in `),
    });
  }
  assert.equal(files.link("/sys/devices/none"), null);
  assert.equal(files.link("/sys/devices/online"), null);
  assert.equal(files.tryRead("/sys/devices"), null);
  assert.deepEqual(files.list("/sys/devices/online"), []);
});

Deno.test("CapturedRoot is never writable", () => {
  using captured = new Captured();
  assert(captured.files.exists("/sys/devices/online"));
  assert(captured.files.exists("/sys/devices"));
  assert(!captured.files.exists("/sys/devices/online", "write"));
});
