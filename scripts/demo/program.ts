import { helperPath } from "../../lib/noise/measure.ts";

/** A program to show. */
export interface DemoProgram {
  /** What it is, for people. */
  readonly name: string;
  /** Who wrote it. */
  readonly origin: string;
  /** What to execute, in its directory. */
  readonly argv: readonly string[];
  /** Makes its input in an empty directory, before each run. */
  prepare(directory: string): void;
  /** The figure that it reports of itself, after a run; `null` when it reports none. */
  figure(directory: string): string | null;
}

/** HPC Challenge of the University of Tennessee when the package is there, otherwise our own small solver. */
export function chooseProgram(): DemoProgram {
  const hpcc = ["/usr/bin/hpcc", "/usr/local/bin/hpcc"].find(isFile);
  return hpcc === undefined ? ownSolver() : hpcChallenge(hpcc);
}

function hpcChallenge(path: string): DemoProgram {
  const output = (directory: string) => `${directory}/hpccoutf.txt`;
  return {
    name: "hpcc (HPC Challenge: Linpack, DGEMM, STREAM, FFT, RandomAccess)",
    origin: "a program nobody here wrote, from the package hpcc, unmodified",
    argv: [path],
    prepare(directory) {
      Deno.writeTextFileSync(`${directory}/hpccinf.txt`, hpccInput(linpackUnknowns));
      // It appends.
      if (isFile(output(directory))) Deno.removeSync(output(directory));
    },
    figure(directory) {
      const tflops = /^HPL_Tflops=(\S+)/m.exec(Deno.readTextFileSync(output(directory)))?.[1];
      return tflops === undefined ? null : `Linpack ${(Number(tflops) * 1000).toPrecision(3)} GFLOP/s`;
    },
  };
}

/** 1.7 s on one quiet core of 2025. */
const linpackUnknowns = 1500;

/**
 * The input file of hpcc.
 *
 * @param unknowns Size of the linear system.
 * @param processCount How many processes share it.
 */
export function hpccInput(unknowns: number, processCount = 1): string {
  const values: readonly (readonly [string, string])[] = [
    ["HPL.out", "output file name"],
    ["6", "device out"],
    ["1", "# of problem sizes (N)"],
    [`${unknowns}`, "Ns"],
    ["1", "# of NBs"],
    ["64", "NBs"],
    ["0", "PMAP"],
    ["1", "# of process grids"],
    ["1", "Ps"],
    [`${processCount}`, "Qs"],
    ["16.0", "threshold"],
    ["1", "# of panel fact"],
    ["2", "PFACTs"],
    ["1", "# of recursive stopping criterium"],
    ["4", "NBMINs"],
    ["1", "# of panels in recursion"],
    ["2", "NDIVs"],
    ["1", "# of recursive panel fact."],
    ["1", "RFACTs"],
    ["1", "# of broadcast"],
    ["1", "BCASTs"],
    ["1", "# of lookahead depth"],
    ["1", "DEPTHs"],
    ["2", "SWAP"],
    ["64", "swapping threshold"],
    ["0", "L1 in transposed form"],
    ["0", "U in transposed form"],
    ["1", "Equilibration"],
    ["8", "memory alignment"],
    ["", "(separator)"],
    ["0", "additional PTRANS sizes"],
    ["1200", "values of N"],
    ["0", "additional PTRANS blocks"],
    ["40", "values of NB"],
  ];
  return ["HPC Challenge input", "argo-nodeos demo", ...values.map(([value, name]) => `${value.padEnd(12)} ${name}`), ""].join("\n");
}

function ownSolver(): DemoProgram {
  return {
    name: "conjugate gradients on a Poisson problem (nodeos-helper solve)",
    origin: "our own small solver, since no HPC program was found here (Debian: apt-get install hpcc)",
    argv: [helperPath(), "solve", "--threads", "1", "--size", "512", "--iterations", "1200"],
    prepare() {},
    figure: () => null,
  };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
