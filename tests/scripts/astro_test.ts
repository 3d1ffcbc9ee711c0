import assert from "node:assert/strict";
import type { Context } from "../../scripts/context.ts";
import type { CubeFlags, DemoFlags, InfoFlags, MedianFlags, VectorsFlags } from "../../scripts/astro/command.ts";
import demo from "../../scripts/astro/demo.ts";
import info from "../../scripts/astro/info.ts";
import median from "../../scripts/astro/median.ts";
import { OutputFile } from "../../scripts/astro/output.ts";
import { Progress } from "../../scripts/astro/progress.ts";
import vectors from "../../scripts/astro/vectors.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import { FitsError } from "../../lib/fits/errors.ts";
import { FitsFile } from "../../lib/fits/file.ts";
import { readHdus } from "../../lib/fits/hdu.ts";
import { chooseImage, decodeValues } from "../../lib/fits/image.ts";
import { randomVectors } from "../../lib/astro/vectors.ts";
import { checkout } from "../host.ts";
import { decodePng } from "../lib/astro/decode_png.ts";
import { pagingNote } from "../lib/astro/paging_library.ts";
import { bitsOf, hardCubes, inDirectory, plainMedian, writeCube } from "../lib/astro/plain.ts";

/** What a command said to whom. */
class Said {
  readonly printed: string[] = [];
  readonly said: string[] = [];
  document: Record<string, unknown> = {};
  readonly context: Context;

  constructor() {
    const refuse = () => assert.fail("the command changes nothing of the machine");
    this.context = {
      process: { stdout: { write: refuse }, stderr: { write: refuse } },
      stateDirectory: "/nonexistent",
      kernel: refuse,
      node: refuse,
      unrecoveredNode: refuse,
      print: (text) => this.printed.push(text),
      say: (text) => this.said.push(text),
      json: (value) => this.document = value,
    };
  }
}

const cubeFlags: CubeFlags = { order: "name", gaps: false, buffer: 2 ** 20, json: false };
const medianFlags = { ...cubeFlags, stretch: "asinh", bits: "8", empty: "nan" } as const;
const vectorsFlags: VectorsFlags = { ...cubeFlags, count: 100, seed: 123, top: 5, least: 1, times: "index" };

async function runMedian(flags: Partial<MedianFlags> & { out: string }, ...words: string[]): Promise<Said> {
  const said = new Said();
  await median.call(said.context, { ...medianFlags, ...flags }, ...words);
  return said;
}

async function runVectors(flags: Partial<VectorsFlags>, ...words: string[]): Promise<Said> {
  const said = new Said();
  await vectors.call(said.context, { ...vectorsFlags, ...flags }, ...words);
  return said;
}

function runInfo(flags: Partial<InfoFlags>, ...words: string[]): Said {
  const said = new Said();
  info.call(said.context, { cards: false, json: false, ...flags }, ...words);
  return said;
}

function imageOf(path: string): { values: Float32Array; width: number; height: number } {
  using file = new FitsFile(path);
  const image = chooseImage(readHdus(file), path);
  const values = new Float32Array(image.width * image.height);
  decodeValues(image, file.read(image.hdu.dataOffsetBytes, image.hdu.dataBytes), values);
  return { values, width: image.width, height: image.height };
}

for (const [name, made] of Object.entries(hardCubes)) {
  Deno.test(`astro median of ${name} writes what sorting each pixel says, bit for bit`, () =>
    inDirectory(async (directory) => {
      const { paths, layers } = writeCube(directory, made);
      Deno.writeTextFileSync(`${directory}/list`, paths.map((path) => path ?? "-").join("\n"));
      const [out, count] = [`${directory}/median.out`, `${directory}/count.out`];
      for (const empty of ["nan", "zero"] as const) {
        const { document } = await runMedian({ out, count, empty, json: true }, `@${directory}/list`);
        const result = imageOf(out);
        const counts = imageOf(count).values;
        assert.deepEqual([result.width, result.height], [made.width, made.height]);
        let emptyCount = 0;
        result.values.forEach((value, pixel) => {
          const column = layers.map((layer) => layer[pixel]);
          assert.equal(bitsOf(value), bitsOf(plainMedian(column, empty === "nan" ? NaN : 0)), `pixel ${pixel}`);
          const valueCount = column.filter((value) => !Number.isNaN(value)).length;
          assert.equal(counts[pixel], valueCount);
          if (valueCount === 0) emptyCount++;
        });
        assert.deepEqual([document.emptyCount, document.layerCount], [emptyCount, layers.length]);
      }
    }));
}

Deno.test({
  name: `astro median where the kernel gives no userfaultfd reads the files, with the same result${pagingNote}`,
  ignore: pagingNote !== "",
  fn: () =>
    inDirectory(async (directory) => {
      const { paths } = writeCube(directory, hardCubes["missing epochs between files of all kinds"]);
      const words = paths.flatMap((path) => path ?? []);
      const images = await Promise.all(["", "device,syscall"].map(async (without, index) => {
        const out = `${directory}/median${index}`;
        const args = ["run", "-q", "-A", `${checkout}tests/scripts/astro_median.ts`, out, ...words];
        const env = { NODEOS_PAGING_WITHOUT: without };
        const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env, cwd: checkout }).output();
        assert.equal(new TextDecoder().decode(stderr), "");
        assert.equal(JSON.parse(new TextDecoder().decode(stdout)).source, index === 0 ? "region" : "files");
        return Deno.readFileSync(out);
      }));
      assert.deepEqual(images[0], images[1]);
    }),
});

Deno.test("astro demo, info, median and vectors work together", () =>
  inDirectory(async (directory) => {
    const [night, out, png] = [`${directory}/night`, `${directory}/median.fits`, `${directory}/median.png`];
    const written = new Said();
    demo.call(written.context, { count: 11, side: 64, seed: 1 } satisfies DemoFlags, `${night}/`);
    assert.match(written.said.join("\n"), /^Wrote 11 exposures of 64 x 64/);
    const { said } = await runMedian({ out, png, bits: "16" }, night);
    assert.match(
      said[0],
      /^Wrote the median of 11 layers of 64 x 64, 176 KiB, to .*median\.fits in [\d.]+ s \(.*\/s\); \d+ pixels have no value$/,
    );
    assert.match(said[1], /^Wrote a picture of it to .*median\.png$/);
    const picture = decodePng(Deno.readFileSync(png));
    assert.deepEqual([picture.width, picture.height, picture.bits], [64, 64, 16]);
    const shown = runInfo({}, out).printed.join("\n");
    assert.match(
      shown,
      /median\.fits {2}\d+(\.\d+)? KiB\nPART {2}NAME {2}KIND {3}VALUES {3}SIZE .*\n {3}0 {2}- {5}image {2}float32 {2}64 x 64 /,
    );
    assert.match(runInfo({ cards: true }, out).printed.join("\n"), /^NCOMBINE= 11 \/ layers that it is made of$/m);
    const top = await runVectors({ least: 5 }, night);
    assert.match(top.printed[0], /^ *MEDIAN {2}VALUES +X +Y +X-SLOPE +Y-SLOPE\n/);
    assert.equal(top.printed[0].split("\n").length, 6);
    assert.match(top.said[0], /^100 vectors through 11 layers of 64 x 64, 176 KiB, in [\d.]+ s: \d+ vectors\/s$/);
  }));

Deno.test("astro vectors prints the greatest medians with their values", () =>
  inDirectory(async (directory) => {
    const made = hardCubes["32-bit floats of 37 x 29"];
    const { paths, layers } = writeCube(directory, made);
    const { document } = await runVectors({ json: true, count: 300, top: 300 }, ...paths.map(String));
    const top = document.top as {
      median: number | null;
      count: number;
      xIntercept: number;
      values: { x: number; y: number; isInFrame: boolean; value: number }[];
    }[];
    assert.ok(top.length > 250, "few vectors have no value at all");
    for (const { median, values } of top) {
      const found = values.filter(({ isInFrame }) => isInFrame).map(({ value }) => value);
      assert.equal(bitsOf(median ?? NaN), bitsOf(plainMedian(found, 0)));
      values.forEach(({ x, y, isInFrame, value }, layer) => {
        if (isInFrame) assert.equal(bitsOf(value), bitsOf(layers[layer][x + 37 * y]));
      });
    }
    const first = randomVectors(123, made).next().value;
    assert.ok(top.some(({ xIntercept }) => xIntercept === first.xIntercept));
  }));

Deno.test("astro vectors takes times from headers and files", () =>
  inDirectory(async (directory) => {
    const { paths } = writeCube(directory, { width: 9, height: 9, files: [{ bitpix: 8, mjd: 5 }, { bitpix: 8, mjd: 5.25 }] });
    const words = paths.map(String);
    await runVectors({ times: "mjd" }, ...words);
    Deno.writeTextFileSync(`${directory}/times`, "1.5\n2.5e1\n");
    await runVectors({ times: `${directory}/times` }, ...words);
    Deno.writeTextFileSync(`${directory}/times`, "1 2 3");
    await assert.rejects(runVectors({ times: `${directory}/times` }, ...words), (error) =>
      error instanceof UsageError && /it has 3, and the stack 2 layers$/.test(error.message));
    Deno.writeTextFileSync(`${directory}/times`, "1 two");
    await assert.rejects(runVectors({ times: `${directory}/times` }, ...words), (error) =>
      error instanceof UsageError && /Cannot read "two"/.test(error.message));
    await assert.rejects(runVectors({ times: `${directory}/none` }, ...words), NoSuchObjectError);
    const untimed = writeCube(directory, { width: 9, height: 9, files: [{ bitpix: 8 }] }).paths.map(String);
    await assert.rejects(runVectors({ times: "mjd" }, ...untimed), (error) =>
      error instanceof RefusedError && /neither MJD-OBS nor DATE-OBS/.test(error.message));
  }));

Deno.test("astro median writes over no image that it reads, and leaves nothing behind when it fails", () =>
  inDirectory(async (directory) => {
    const { paths } = writeCube(directory, { width: 3, height: 3, files: [{ bitpix: -32 }, { bitpix: -32 }] });
    const words = paths.map(String);
    Deno.linkSync(words[0], `${directory}/other`);
    for (const flags of [{ out: words[1] }, { out: `${directory}/x`, count: `${directory}/./cube2.fits` }, { out: `${directory}/other` }]) {
      await assert.rejects(
        runMedian(flags, ...words),
        (error) => error instanceof RefusedError && /it is one of the images that are read$/.test(error.message),
      );
    }
    await assert.rejects(
      runMedian({ out: `${directory}/none/x` }, ...words),
      (error) => error instanceof RefusedError && /: ENOENT$/.test(error.message),
    );
    await assert.rejects(runMedian({ out: `${directory}/x`, count: `${directory}/none/x` }, ...words), RefusedError);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), ["cube1.fits", "cube2.fits", "other"]);
  }));

Deno.test("astro median and vectors refuse no images, and buffers for nothing", async () => {
  await assert.rejects(runMedian({ out: "/tmp/x" }), UsageError);
  await assert.rejects(runVectors({}), UsageError);
  await assert.rejects(
    runVectors({ buffer: 1000 }, "/tmp"),
    (error) => error instanceof UsageError && /a buffer of 1000 B$/.test(error.message),
  );
  await assert.rejects(runVectors({}, "/nonexistent"), NoSuchObjectError);
});

Deno.test("astro info shows the files that it can read, and fails for the others", () =>
  inDirectory((directory) => {
    const { paths } = writeCube(directory, {
      width: 3,
      height: 2,
      files: [{ bitpix: 16, zero: 32768, blank: 5, extension: "SCI", mjd: 51544.5 }],
    });
    const bad = `${directory}/bad.fits`;
    Deno.writeTextFileSync(bad, "no FITS");
    const said = new Said();
    const show = (flags: Partial<InfoFlags>, ...words: string[]) =>
      info.call(said.context, { cards: false, json: false, ...flags }, ...words);
    assert.throws(() => show({}, bad, paths[0]!, bad), (error) =>
      error instanceof FitsError && /bad\.fits: card 1 is not SIMPLE/.test(error.message));
    assert.match(said.printed[0], /, taken 2000-01-01T12:00:00\n.*\n.*\n {3}1 {2}SCI {3}image {2}int16 {3}3 x 2 {2}- {7}32768 {2}5 /);
    assert.equal(said.said.length, 1);
    assert.throws(() =>
      show({ json: true }, paths[0]!, bad), FitsError);
    const files = said.document.files as { path: string; error?: string; parts?: { axes: number[]; timeMjd: number }[] }[];
    assert.deepEqual([files[0].parts![1].axes, files[0].parts![1].timeMjd], [[3, 2], 51544.5]);
    assert.match(files[1].error!, /^Cannot read .*bad\.fits/);
    assert.throws(() => show({}), UsageError);
  }));

Deno.test("Progress writes to a terminal only, and takes its line away", () => {
  const written: string[] = [];
  const process = { stdout: { write: () => assert.fail() }, stderr: { write: (text: string) => void written.push(text) } };
  const quiet = new Progress({ process }, "Median", 100, false);
  quiet.update(50);
  quiet.end();
  assert.equal(written.length, 0);
  const shown = new Progress({ process }, "Median", 1000, true, 0);
  shown.update(500);
  shown.end();
  shown.end();
  assert.ok(written[0].startsWith("\r\x1b[KMedian: 50 %, "));
  assert.match(written[0], /\/s, \d+ s left$/);
  assert.deepEqual(written.slice(1), ["\r\x1b[K"]);
});

Deno.test("OutputFile has its name only when it is complete", () =>
  inDirectory((directory) => {
    const path = `${directory}/a`;
    Deno.writeTextFileSync(path, "before");
    {
      using file = new OutputFile(path, "the test");
      file.write(Uint8Array.of(1, 2));
    }
    assert.equal(Deno.readTextFileSync(path), "before");
    {
      using file = new OutputFile(path, "the test");
      file.write(Uint8Array.of(1, 2));
      file.write(Uint8Array.of(3));
      file.finish();
    }
    assert.deepEqual([...Deno.readFileSync(path)], [1, 2, 3]);
    assert.equal([...Deno.readDirSync(directory)].length, 1);
  }));
