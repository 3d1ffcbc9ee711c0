import assert from "node:assert/strict";
import { type CoreRequest, RuntimeLink, type RuntimeNews, type RuntimePort } from "../../../../lib/power/governor/runtime.ts";

/** A runtime that answers what it is told to. */
class Port implements RuntimePort {
  readonly limits = { coresMin: 2, coresMax: 8, answerSeconds: 1 };
  readonly asked: CoreRequest[] = [];
  readonly enforced: (number | null)[] = [];
  news: RuntimeNews = { answer: null, heartbeatSeconds: [] };

  ask(request: CoreRequest): void {
    this.asked.push(request);
  }
  poll(): RuntimeNews {
    return this.news;
  }
  enforce(cores: number | null): void {
    this.enforced.push(cores);
  }
}

Deno.test("RuntimeLink asks once for each wish, and believes an answer to the last one", () => {
  const port = new Port();
  const link = new RuntimeLink(port);
  for (const wish of [8, 5, 5]) link.step(wish, 0.1);
  assert.deepEqual(port.asked, [{ request: 1, wantedCores: 5 }]);
  port.news = { answer: { request: 1, activeCores: 6 }, heartbeatSeconds: [] };
  link.step(5, 0.1);
  assert.equal(link.activeCores, 8, "more than was wanted is no answer");
  port.news = { answer: { request: 1, activeCores: 4 }, heartbeatSeconds: [1.5, 2] };
  assert.deepEqual(link.step(5, 0.1), [1.5, 2]);
  assert.equal(link.activeCores, 4);
  assert.deepEqual(port.enforced, []);
});

Deno.test("RuntimeLink holds a silent runtime to its floor, frees it while all cores are wished, and trusts it when it answers", () => {
  const port = new Port();
  const link = new RuntimeLink(port);
  for (let step = 0; step < 15; step++) link.step(5, 0.1);
  assert.deepEqual([link.isSilent, link.activeCores, port.enforced], [true, 2, [2]]);
  link.step(8, 0.1);
  assert.deepEqual([link.activeCores, port.enforced], [8, [2, null]]);
  link.step(6, 0.1);
  port.news = { answer: { request: 1, activeCores: 5 }, heartbeatSeconds: [] };
  link.step(6, 0.1);
  assert.deepEqual([link.isSilent, link.activeCores, port.enforced], [false, 5, [2, null, 2, null]]);
  assert.deepEqual(port.asked, [{ request: 1, wantedCores: 5 }, { request: 2, wantedCores: 6 }]);
});
