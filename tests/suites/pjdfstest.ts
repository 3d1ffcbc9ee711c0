import { UsageError } from "../../lib/errors.ts";
import type { Suite } from "./suite.ts";
import { readTap } from "./tap.ts";

/**
 * The POSIX file-system tests of pjdfstest, built in `root`; `prove` runs them, one file as one entry.
 *
 * @throws {UsageError} If they are not built there.
 */
export function pjdfstest(root: string): Suite {
  const files = Deno.lstatSync(root).isDirectory ? testsBelow(`${root}/tests`) : [];
  if (files.length === 0 || !isFile(`${root}/pjdfstest`)) {
    throw new UsageError(`Cannot use ${root} as pjdfstest: it has no tests, or no program pjdfstest`, {
      remedy: "Give the directory that it was built in",
    });
  }
  return {
    name: "pjdfstest",
    entries: files.map((name) => ({ name, argv: ["prove", "-v", `${root}/tests/${name}`] })),
    leftOut: () => null,
    environment: (directory) => ({ TMPDIR: directory }),
    read: readTap,
  };
}

/** Paths of the test files below a folder, in order. */
function testsBelow(folder: string): string[] {
  const names = [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? testsBelow(`${folder}/${name}`).map((test) => `${name}/${test}`) : name.endsWith(".t") ? [name] : []
  );
  return names.toSorted();
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
