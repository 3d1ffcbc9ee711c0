import { isDirectory, isFile, outputText, Unavailable } from "./tools.ts";

const archiveKeys = "/usr/share/keyrings/debian-archive-keyring.gpg";
const suiteNames = /^(?:(?:old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke)(?:-updates|-backports)?$/;

/**
 * The Debian archive that this machine uses, asked for a suite of any release. Lists and sources are kept in a directory
 * of its own: nothing of the machine's apt changes, and no root is needed.
 */
export class Apt {
  readonly #options: readonly string[];

  private constructor(directory: string) {
    const settings = {
      "Dir::State": `${directory}/state`,
      "Dir::State::lists": "lists",
      "Dir::State::status": `${directory}/status`,
      "Dir::Cache": `${directory}/cache`,
      "Dir::Etc::sourcelist": "/dev/null",
      "Dir::Etc::sourceparts": `${directory}/sources`,
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "APT::Architecture": "amd64",
      // As root, apt drops its privileges for downloads, and then may not write below a checkout.
      "APT::Sandbox::User": "",
      "Acquire::Retries": "2",
    };
    this.#options = Object.entries(settings).map(([name, value]) => `-o${name}=${value}`);
  }

  /**
   * Prepares the directory and reads what a suite has.
   *
   * @throws {Unavailable} If the machine has no Debian archive among its sources, or it cannot be reached.
   */
  static async open(directory: string, suite: string): Promise<Apt> {
    const uri = debianArchive(configuredSources());
    if (uri === null) {
      throw new Unavailable("there is no Debian archive among the sources of apt (/etc/apt/sources.list and sources.list.d)");
    }
    for (const part of ["state/lists/partial", "cache/archives/partial", "sources"]) {
      Deno.mkdirSync(`${directory}/${part}`, { recursive: true });
    }
    Deno.writeTextFileSync(`${directory}/status`, "");
    const signedBy = isFile(archiveKeys) ? `Signed-By: ${archiveKeys}\n` : "";
    Deno.writeTextFileSync(
      `${directory}/sources/debian.sources`,
      `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\n${signedBy}`,
    );
    const apt = new Apt(directory);
    try {
      await outputText("apt-get", [...apt.#options, "-qq", "update"]);
    } catch (error) {
      throw new Unavailable(`${suite} of the Debian archive cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    return apt;
  }

  /** The newest version of a package, or `null`. */
  async newestVersion(name: string): Promise<string | null> {
    // Lines of "NAME | VERSION | SOURCE", newest first.
    const [line] = (await outputText("apt-cache", [...this.#options, "madison", name])).split("\n");
    return line.split("|")[1]?.trim() ?? null;
  }

  /** Names of the packages that a package needs in this very version. */
  async exactDependencies(name: string, version: string): Promise<string[]> {
    const record = await outputText("apt-cache", [...this.#options, "show", `${name}=${version}`]);
    const depends = /^Depends: (.*)$/m.exec(record)?.[1] ?? "";
    return depends.split(", ").flatMap((part) => part.endsWith(` (= ${version})`) ? part.split(" ")[0] : []);
  }

  /** Downloads packages of a version into a directory and returns the paths of the files. */
  async download(names: readonly string[], version: string, directory: string): Promise<string[]> {
    await outputText("apt-get", [...this.#options, "-qq", "download", ...names.map((name) => `${name}=${version}`)], { cwd: directory });
    return [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".deb")).map(({ name }) => `${directory}/${name}`);
  }
}

/** Where something is, as apt has it. */
export interface Source {
  /** Addresses, each of the same. */
  readonly uris: readonly string[];
  /** Names of what is there: `bookworm`, `bookworm-updates`. */
  readonly suites: readonly string[];
}

/** Address of the Debian archive among sources, or `null`. */
export function debianArchive(sources: readonly Source[]): string | null {
  for (const { uris, suites } of sources) {
    if (!suites.some((suite) => suiteNames.test(suite))) continue;
    // Others name their suites alike; an archive, or a list of its mirrors, is called debian everywhere.
    const uri = uris.find((uri) => /\/debian(?:\.list)?\/?$/.test(uri));
    if (uri !== undefined) return uri;
  }
  return null;
}

/** What apt uses on this machine. */
function configuredSources(): Source[] {
  const directory = "/etc/apt/sources.list.d";
  const names = isDirectory(directory) ? [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`).sort() : [];
  return ["/etc/apt/sources.list", ...names].filter(isFile).flatMap((path) => {
    const text = Deno.readTextFileSync(path);
    return path.endsWith(".sources") ? parseStanzas(text) : path.endsWith(".list") ? parseLines(text) : [];
  });
}

/** The format of sources.list(5) with one stanza for each source. */
export function parseStanzas(text: string): Source[] {
  return text.replace(/^#.*\n?/gm, "").split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) =>
      (new RegExp(`^${name}:((?:.*\n?)(?:[ \t].*\n?)*)`, "im").exec(stanza)?.[1] ?? "").split(/\s+/).filter(Boolean);
    if (!field("Types").includes("deb") || field("Enabled")[0] === "no") return [];
    return [{ uris: field("URIs"), suites: field("Suites") }];
  });
}

/** The format with one line for each: `deb [options] URI SUITE COMPONENT...`. */
export function parseLines(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)/.exec(line);
    return match ? [{ uris: [match[1]], suites: [match[2]] }] : [];
  });
}
