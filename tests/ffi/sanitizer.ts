/** A preloaded sanitizer is for this process and for other Deno processes with our library, not for what we launch. */
export const sanitizer: Readonly<Record<string, string>> = setAside("LD_PRELOAD", "NODEOS_TEST_PRELOAD");

/** The environment is shared by all test files of a run, which are loaded one after the other. */
function setAside(name: string, aside: string): Record<string, string> {
  const value = Deno.env.get(name) ?? Deno.env.get(aside);
  if (value === undefined) return {};
  Deno.env.delete(name);
  Deno.env.set(aside, value);
  return { [name]: value };
}
