import assert from "node:assert/strict";
import { errno, SysError } from "../../../../ffi/errors.ts";
import type { CardFact, Cards } from "../../../../ffi/cards.ts";
import type { ManagementPort } from "../../../../ffi/management_port.ts";
import { NoSuchObjectError, UsageError } from "../../../../lib/errors.ts";
import { readTopology } from "../../../../lib/kernel/topology.ts";
import { decodePortTemperature, hsmpProvider, nvmlProvider } from "../../../../lib/power/providers/devices.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { amd, PowerMachine } from "../machines.ts";

const answers: Record<number, number> = { 0x03: 5, 0x04: 93_500, 0x06: 225_000, 0x07: 280_000, 0x0b: 0, 0x11: 37, 0x15: 0x2ea0 };
const port: ManagementPort = {
  call: (_socket, message) => {
    if (answers[message] === undefined) throw new SysError("send a message", errno.EACCES);
    return [answers[message]];
  },
};

Deno.test("hsmpProvider() reads power, its limit, temperature and residency of a package", () => {
  using machine = new PowerMachine(amd);
  using registry = new Registry([hsmpProvider(machine, readTopology(machine), port)], () => 0n);
  const names = ["power", "power-limit", "temperature", "awake", "is-hot"].map((name) => `package0/${name}`);
  assert.deepEqual(registry.snapshot(names).values, [93.5, 225, 46.625, 37, 0]);
  assert.deepEqual(registry.find("package0/power-limit").range, { min: 1, max: 280 });
  assert.deepEqual(registry.plan("package0/power-limit", 180.5), [
    { kind: "power", what: "hsmp:0", to: "180500", why: "package0/power-limit to 180.5 W" },
  ]);
  assert.throws(() => registry.plan("package0/power-limit", 281), UsageError);
});

Deno.test("hsmpProvider() says that there is no port, and asks none of a captured machine", () => {
  using machine = new PowerMachine(amd);
  const none: ManagementPort = {
    call() {
      throw new SysError("send a message", errno.ENOENT);
    },
  };
  using provider = hsmpProvider(machine, readTopology(machine), none);
  assert.deepEqual(provider.meters, []);
  assert.match(provider.lacks[0].why, /amd_hsmp/);
  using captured = hsmpProvider(machine, readTopology(machine));
  assert.deepEqual([captured.meters, captured.lacks], [[], []]);
});

Deno.test("decodePortTemperature() reads eighths of a degree", () => {
  assert.equal(decodePortTemperature(0x2ea0), 46.625);
  assert.equal(decodePortTemperature(0), 0);
});

const facts: Partial<Record<CardFact, number>> = {
  powerMilliwatts: 71_250,
  energyMillijoules: 5_000_125,
  limitMilliwatts: 300_000,
  limitMinMilliwatts: 100_000,
  limitMaxMilliwatts: 350_000,
  clockMegahertz: 1410,
};

function cardsOf(count: number, uuid: (card: number) => string = (card) => `GPU-${card}`): Cards {
  return { count: () => count, uuid, fact: (_card, fact) => facts[fact] ?? null, setLimit() {} };
}

Deno.test("nvmlProvider() reads graphics cards, and says what one does not have", () => {
  using machine = new PowerMachine(amd);
  using registry = new Registry([nvmlProvider(machine, cardsOf(2))], () => 0n);
  const names = ["gpu1/power", "gpu1/energy", "gpu1/power-limit", "gpu1/frequency"];
  assert.deepEqual(registry.snapshot(names).values, [71.25, 5000.125, 300, 1.41e9]);
  assert.deepEqual(registry.plan("gpu1/power-limit", 250), [
    { kind: "power", what: "nvml:GPU-1", to: "250000", why: "gpu1/power-limit to 250 W" },
  ]);
  assert.throws(
    () => registry.find("gpu0/temperature"),
    (error) => error instanceof NoSuchObjectError && /it has none/.test(error.message),
  );
});

Deno.test("nvmlProvider() leaves out a card that fell off the bus", () => {
  using machine = new PowerMachine(amd);
  const lost = cardsOf(2, (card) => {
    if (card === 0) throw new SysError("read the name of a card", errno.ENODEV);
    return `GPU-${card}`;
  });
  using provider = nvmlProvider(machine, lost);
  assert(provider.meters.length > 0 && provider.meters.every(({ domain }) => domain.index === 1));
  assert.equal(provider.lacks[0].what, "gpu0");
});
