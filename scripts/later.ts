/** This module came from `dist/`, where `deno task install` put all of them in one piece each. */
const isBundled = import.meta.url.endsWith(".js");

/**
 * Imports a module of this folder by name, when it is needed. Deno reads every module that a literal `import()` names
 * before the first line runs: 3 ms for all that the other commands need. The name of this one it cannot know.
 */
export function later<T>(name: string): Promise<T> {
  return import(isBundled ? `${import.meta.dirname}/${name}.js` : `${import.meta.dirname}/${name}.ts`);
}
