/**
 * The policy of a container as a file beside its board, for whoever wants to know what the board cannot tell: the names,
 * and which calls can be switched while programs run.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import type { Policy } from "./policy.ts";
import { type Action, actions } from "./switches.ts";

/** Name of the file in the directory of a container's forwarder. */
export const policyFileName = "policy.json";

/** One call in the file. */
export interface FiledRule {
  /** As the kernel names it. */
  readonly call: string;
  /** What happened to it when the container was made; what happens now, the board says. */
  readonly action: Action;
  /** Of `deny`: the error. */
  readonly errno?: string;
  /** Whether the filter sends it to the forwarder, so that it can be switched while programs run. */
  readonly notified: boolean;
}

/** What the file says. */
export interface PolicyFile {
  /** The container. */
  readonly container: string;
  /** The profile that the policy was made from. */
  readonly profile: string;
  /** Every call of the machine, by number. */
  readonly rules: readonly FiledRule[];
}

/** What the file says of a policy; the container comes with whoever uses it. */
export function filePolicy({ profile, rules }: Policy): Omit<PolicyFile, "container"> {
  const filed = rules.map(({ call, action, errno, notified }): FiledRule => ({
    call: call.name,
    action,
    ...(errno === undefined ? {} : { errno }),
    notified,
  }));
  return { profile, rules: filed };
}

/** The text of the file. */
export function formatPolicyFile(container: string, policy: Omit<PolicyFile, "container">): string {
  return `${JSON.stringify({ container, ...policy } satisfies PolicyFile)}\n`;
}

/**
 * Reads the text of the file. Loads the schema library first, which takes 15 ms once.
 *
 * @throws {UsageError} If the text is none of ours.
 */
export async function parsePolicyFile(text: string): Promise<PolicyFile> {
  const { z } = await import("zod");
  const schema = z.object({
    container: z.string().min(1),
    profile: z.string().min(1),
    rules: z.array(z.object({ call: z.string().min(1), action: z.enum(actions), errno: z.string().optional(), notified: z.boolean() })),
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError("Cannot read the policy: it is no JSON", { cause: error });
  }
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new UsageError(`Cannot read the policy: ${z.prettifyError(error)}`, { cause: error });
}
