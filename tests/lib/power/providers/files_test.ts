import assert from "node:assert/strict";
import fc from "fast-check";
import { CapturedRoot } from "../../../../ffi/captured_root.ts";
import { type FileMeter, FileProvider } from "../../../../lib/power/providers/files.ts";
import { PowerMachine } from "../machines.ts";

const path = "/sys/class/x/value";

function entry(scale: number, name = "node/x"): FileMeter {
  const meter = { name, unit: "W", kind: "gauge", range: { min: 0, max: 1e9 }, resolution: scale, provenance: path } as const;
  return { meter: { ...meter, domain: { kind: "node", index: 0 } }, path, scale, isActuator: true };
}

Deno.test("FileProvider plans the number that it reads, whatever the scale", () => {
  using machine = new PowerMachine({ files: { [path]: "0\n" } });
  for (const scale of [1e-6, 1e-3, 1, 1000]) {
    const provider = new FileProvider(machine, "x", [entry(scale)]);
    const [meter] = provider.meters;
    const read = provider.prepare([meter]);
    fc.assert(fc.property(fc.nat(), (count) => {
      machine.place(path, `${count}\n`);
      const [value] = read();
      assert.equal(value, scale < 1 ? count / Math.round(1 / scale) : count * scale);
      assert.deepEqual(provider.plan(meter, value as number)[0].to, `${count}`);
    }));
  }
});

Deno.test("FileProvider keeps the first of two meters of one name, and none without a file", () => {
  using machine = new PowerMachine({ files: { [path]: "7\n" } });
  const provider = new FileProvider(machine, "x", [entry(1), entry(1000), { ...entry(1, "node/y"), path: "/sys/nowhere" }]);
  assert.deepEqual(provider.meters.map(({ name, resolution }) => [name, resolution]), [["node/x", 1]]);
});

Deno.test("FileProvider says why an actuator cannot be set", () => {
  using machine = new PowerMachine({ files: { [path]: "7\n" } });
  const files = new CapturedRoot(machine.base);
  const [meter] = new FileProvider(files, "x", [entry(1)]).meters;
  assert.deepEqual([meter.isWritable, meter.obstacle], [false, `${path} may not be written`]);
});
