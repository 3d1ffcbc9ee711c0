import assert from "node:assert/strict";
import { hasOwnRun, outputInOwnRun } from "../../fake_service.ts";

/** As irqbalance answers: it notes a list at once, and shows it when it next looks, after \`lag\` more questions. */
const fake = (lag: number) =>
  `(request, state) => {
  state.mask ??= "00000010";
  if (state.pending !== undefined && state.questions++ >= ${lag}) { state.mask = state.pending; delete state.pending; }
  if (request === "setup") return "SLEEP 1 IRQ 9 LOAD 0 DIFF 0 CLASS 0 BANNED " + state.mask;
  const list = request.replace("settings cpus ", "");
  state.pending = { "4-5": "00000030", NULL: "00000000", "4": "00000010", "33": "00000002,00000000" }[list];
  state.questions = 0;
  return null;
}`;

/** A test of a module that sees the executor, a driver and a socket, and prints one document. */
function irqbalanceTest(name: string, answer: string, script: string, expected: unknown): void {
  Deno.test({
    name: hasOwnRun ? name : `${name} [needs unshare -rm]`,
    ignore: !hasOwnRun,
    async fn() {
      const setting = `
        const { apply, prepare, undo } = await import(checkout + "lib/plan/executor.ts");
        const { drivers } = await import(checkout + "lib/plan/driver.ts");
        const { KernelRoot } = await import(checkout + "ffi/kernel_root.ts");
        const kernel = new KernelRoot();
        const socket = "/run/irqbalance/irqbalance7.sock";
        const read = () => drivers.irqbalance.read(kernel, socket);
        const stepsTo = (to) => prepare(kernel, [{ kind: "irqbalance", what: socket, to, why: "", ifAllowed: true }]);
        const service = await serve(socket, ${JSON.stringify(answer)});`;
      assert.deepEqual(JSON.parse(await outputInOwnRun(setting + script)), expected);
    },
  });
}

irqbalanceTest(
  "drivers.irqbalance waits until the list shows, and puts the former one back",
  fake(5),
  `const steps = stepsTo("4-5");
   const values = [steps[0].from];
   apply(kernel, steps);
   values.push(read(), undo(kernel, steps), read());
   console.log(JSON.stringify(values));`,
  ["4", "4-5", [], "4"],
);

irqbalanceTest(
  "drivers.irqbalance lets it decide by itself again with an empty list, and reads masks of many CPUs",
  fake(2),
  `const values = [];
   for (const list of ["", "33"]) {
     drivers.irqbalance.write(kernel, socket, list);
     values.push(read());
   }
   console.log(JSON.stringify(values));`,
  ["", "33"],
);

irqbalanceTest(
  "drivers.irqbalance gives it the former list when it does not do as it is told",
  `(request, state) => {
    if (request === "setup") return "SLEEP 0 BANNED " + (state.last === "settings cpus 4" ? "00000010" : state.last ? "0" : "00000010");
    state.last = request;
    return null;
  }`,
  `const steps = stepsTo("4-5");
   const refused = apply(kernel, steps);
   console.log(JSON.stringify([refused.length, read()]));`,
  [1, "4"],
);

irqbalanceTest(
  "drivers.irqbalance takes one that does not talk to us, or that ended, for gone",
  "() => null",
  `const values = [read()];
   drivers.irqbalance.write(kernel, socket, "4-5");
   service.terminate();
   values.push(read());
   drivers.irqbalance.write(kernel, socket, "4-5");
   console.log(JSON.stringify(values));`,
  [null, null],
);

irqbalanceTest(
  "drivers.irqbalance takes an answer that it does not understand for none",
  '() => "HELLO BANNED everything"',
  "console.log(JSON.stringify([read()]));",
  [null],
);

irqbalanceTest(
  "drivers.irqbalance has patience with one that is busy, and does not take it for gone",
  `async (request, state) => {
    if (request === "setup" && !state.wasBusy) {
      state.wasBusy = true;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
    return "SLEEP 10 BANNED 00000010";
  }`,
  "console.log(JSON.stringify(read()));",
  "4",
);
