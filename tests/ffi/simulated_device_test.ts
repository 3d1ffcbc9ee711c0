import assert from "node:assert/strict";
import {
  ImageHeadLayout,
  ImageNodeLayout,
  ImageRegisterLayout,
  ImageWriteLayout,
  simulateArguments,
  type SimulatedFile,
  SimulatedImage,
} from "../../ffi/simulated_device.ts";

const files: SimulatedFile[] = [
  { path: "dev/cpu/0/msr", mode: 0o600, kind: "registers", registers: [{ number: 0x610, value: "limit", writable: 0xffn }] },
  { path: "sys/name", mode: 0o444, kind: "text", text: "package-0\n" },
  { path: "sys/limit", mode: 0o644, kind: "number", value: "limit", high: 100n },
];

/** An image in a directory of its own, and its file opened once more. */
function withImage(names: string[], body: (image: SimulatedImage, file: Deno.FsFile) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    using image = new SimulatedImage(`${directory}/image`, names, files);
    using file = Deno.openSync(image.path, { read: true, write: true });
    body(image, file);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Does what the helper does when a program writes. */
function produce(file: Deno.FsFile, count: number, value: number, bits: bigint): void {
  const entry = new Uint8Array(ImageWriteLayout.size);
  ImageWriteLayout.write(entry, { value, bits });
  file.seekSync(ImageHeadLayout.size + (count - 1) % 256 * ImageWriteLayout.size, Deno.SeekMode.Start);
  file.writeSync(entry);
  file.seekSync(ImageHeadLayout.offsets.produced, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(new BigUint64Array([BigInt(count)]).buffer));
}

Deno.test("the structures of an image have the sizes that simulate_image.c asserts", () => {
  const sizes = [ImageHeadLayout, ImageWriteLayout, ImageNodeLayout, ImageRegisterLayout].map(({ size }) => size);
  assert.deepEqual(sizes, [64, 16, 56, 32]);
});

Deno.test("SimulatedImage.publish() fills the copy that is not shown, then shows it", () => {
  withImage(["energy", "limit"], (image, file) => {
    const bytes = new Uint8Array(file.statSync().size);
    for (const published of [1, 2, 3]) {
      image.values.set([BigInt(published), 0xffff_ffff_ffff_ffffn]);
      image.publish();
      file.seekSync(0, Deno.SeekMode.Start);
      file.readSync(bytes);
      assert.equal(ImageHeadLayout.read(bytes).published, BigInt(published));
    }
    const { nodeCount, registerCount } = ImageHeadLayout.read(bytes);
    const copies = ImageHeadLayout.size + 256 * ImageWriteLayout.size + nodeCount * ImageNodeLayout.size +
      registerCount * ImageRegisterLayout.size;
    const words = new BigUint64Array(bytes.buffer.slice(copies, copies + 6 * 8));
    assert.deepEqual([...words], [0n, 2n, 2n ** 64n - 1n, 0n, 3n, 2n ** 64n - 1n]);
  });
});

Deno.test("SimulatedImage.takeWrites() takes each write once, in order, round the ring", () => {
  withImage(["energy", "limit"], (image, file) => {
    assert.deepEqual(image.takeWrites(), []);
    for (let count = 1; count <= 600; count++) {
      produce(file, count, count % 2, BigInt(count));
      if (count % 100 !== 0) continue;
      const writes = image.takeWrites();
      assert.equal(writes.length, 100);
      assert.deepEqual(writes[0], { value: "limit", bits: BigInt(count - 99) });
      assert.deepEqual(writes[99], { value: "energy", bits: BigInt(count) });
    }
    assert.deepEqual(image.takeWrites(), []);
  });
});

Deno.test("an image refuses a file of a value that is not there, and a path that is there twice", () => {
  assert.throws(() => withImage(["energy"], () => {}), /Cannot simulate a file of limit: there is no such value/);
  const path = Deno.makeTempDirSync();
  try {
    assert.throws(
      () => new SimulatedImage(`${path}/image`, ["limit"], [...files, files[1]]),
      /Cannot simulate sys\/name: it is there twice/,
    );
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("disposing an image removes its file, and again does nothing", () => {
  const directory = Deno.makeTempDirSync();
  const image = new SimulatedImage(`${directory}/image`, ["limit"], files);
  image[Symbol.dispose]();
  image[Symbol.dispose]();
  assert.deepEqual([...Deno.readDirSync(directory)], []);
  Deno.removeSync(directory);
});

Deno.test("simulateArguments() keeps the arguments of the program apart", () => {
  const args = simulateArguments({ image: "/i", at: "/a", over: ["dev/cpu", "sys/class/hwmon"], command: ["ls", "--image=x"] });
  assert.deepEqual(args, ["simulate", "--image=/i", "--at=/a", "--over=dev/cpu,sys/class/hwmon", "--", "ls", "--image=x"]);
});
