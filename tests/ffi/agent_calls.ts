import type { Agent } from "../../ffi/agent.ts";
import { hostArchitecture } from "../../lib/syscall/arch.ts";
import { type AnswerFrame, type Data, decodeAnswer, encodeCall } from "../../lib/syscall/frames.ts";
import { callNamed } from "../../lib/syscall/table.ts";

/** The number of a call here. */
export function numberOf(name: string): number {
  return callNamed(name)!.numbers[hostArchitecture()!]!;
}

let callId = 0;

/** Has an agent execute a call by its name, with its data at the positions of their arguments. */
export async function callBy(
  agent: Agent,
  name: string,
  values: readonly (number | bigint)[] = [],
  data: readonly (Data | string | undefined)[] = [],
): Promise<AnswerFrame> {
  const call = callNamed(name)!;
  const encoded = data.map((item) => typeof item === "string" ? new TextEncoder().encode(item) : item);
  const id = ++callId;
  const answer = decodeAnswer(call, await agent.call(encodeCall(call, id, numberOf(name), values, encoded)));
  if (answer.id !== BigInt(id)) throw new Error(`the answer is for call ${answer.id}, and the call was ${id}`);
  return answer;
}
