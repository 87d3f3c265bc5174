// The rules that keep the program readable, checked by reading it.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { documents, regenerate } from "../tools/docs.ts";
import { isBanned, layerOf, readLayers } from "./tidy/layers.ts";
import { readProject, root, type SourceFile } from "./tidy/project.ts";

const fileLinesMax = 500;
const functionLinesMax = 60;

const files = readProject();
const sources = files.filter(({ path }) => path.startsWith("src/"));
const layers = readLayers(readFileSync(join(root, "docs", "ARCHITECTURE.md"), "utf8"));

/** What the program starts with, and what it starts as a thread. */
const programEntries = ["src/main.ts", "src/sys/waiter.ts"];

function isTestEntry({ path }: SourceFile): boolean {
  return (
    /^(build|test\/([a-z]+\/)?run)\.ts$/.test(path) ||
    path.endsWith(".test.ts") ||
    /^tools\/[a-z-]+\.ts$/.test(path) ||
    // Programs that a test starts in a process of their own.
    /-(child|program)\.ts$/.test(path)
  );
}

describe("layers", () => {
  test("every source file is in a layer, and every layer has files", () => {
    const of = sources.map(({ path }) => [path, layerOf(path, layers)?.name ?? null] as const);
    expect(of.filter(([, layer]) => layer === null)).toEqual([]);
    expect(new Set(of.map(([, layer]) => layer))).toEqual(new Set(layers.map(({ name }) => name)));
  });

  test("a layer imports only what the table in ARCHITECTURE.md lets it import", () => {
    const wrong = sources.flatMap((file) => {
      const layer = layerOf(file.path, layers);
      return file.imports.flatMap(({ target, line }) => {
        const other = layerOf(target, layers);
        if (layer === null || other === null || other === layer) return [];
        return layer.mayImport.includes(other.name)
          ? []
          : [`${file.path}:${line}: ${layer.name} may not import ${other.name} (${target})`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test("a layer names only what the table lets it name", () => {
    const wrong = sources.flatMap((file) => {
      const layer = layerOf(file.path, layers);
      if (layer === null) return [];
      const modules = file.imports.map(({ target, line }) => ({ name: target, line }));
      return [...file.words, ...modules]
        .filter(({ name }) => isBanned(name, layer))
        .map(({ name, line }) => `${file.path}:${line}: ${layer.name} may not name ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  test("nothing in src knows of tests, tools or the build", () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => /^(test|tools|build\.ts)/.test(target))
        .map(({ target, line }) => `${path}:${line}: ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test("only sys calls the system through bun:ffi", () => {
    const users = sources.filter(({ imports }) =>
      imports.some(({ target }) => target === "bun:ffi"),
    );
    expect(users.map(({ path }) => path).filter((path) => !path.startsWith("src/sys/"))).toEqual(
      [],
    );
  });
});

describe("size", () => {
  test(`no file has more than ${fileLinesMax} lines`, () => {
    const long = files.filter(({ lines }) => lines > fileLinesMax);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  test(`no function has more than ${functionLinesMax} lines`, () => {
    const long = files.flatMap(({ path, functions }) =>
      functions
        .filter(({ lines }) => lines > functionLinesMax)
        .map(({ name, line, lines }) => `${path}:${line}: ${name} has ${lines}`),
    );
    expect(long).toEqual([]);
  });
});

describe("exports", () => {
  test("nothing is exported by default or passed on", () => {
    const wrong = files.flatMap(({ path, forwards }) => forwards.map((line) => `${path}:${line}`));
    expect(wrong).toEqual([]);
  });

  // A type may also be exported since the signature of another export needs it.
  test("every export is used in another file", () => {
    const used = new Set<string>();
    for (const { imports } of files) {
      for (const { target, names } of imports) {
        const taken = names ?? exportsOf(target);
        for (const name of taken) used.add(`${target} ${name}`);
      }
    }
    const unused = files.flatMap(({ path, exports, publicWords }) =>
      exports
        .filter(({ name, isType }) => !(isType && publicWords.has(name)))
        .filter(({ name }) => !used.has(`${path} ${name}`))
        .map(({ name, line }) => `${path}:${line}: ${name}`),
    );
    expect(unused).toEqual([]);
  });

  test("every source file is reached from the program", () => {
    const reached = reachedFrom(files.filter(({ path }) => programEntries.includes(path)));
    expect(sources.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });

  test("every other file is reached from a test or a tool", () => {
    const reached = reachedFrom(files.filter(isTestEntry));
    const others = files.filter((file) => !sources.includes(file));
    expect(others.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });
});

function reachedFrom(starts: readonly SourceFile[]): Set<string> {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const file = files.find((one) => one.path === path);
    if (file === undefined || reached.has(path)) return;
    reached.add(path);
    for (const { target } of file.imports) visit(target);
  };
  for (const { path } of starts) visit(path);
  return reached;
}

function exportsOf(path: string): string[] {
  const file = files.find((one) => one.path === path);
  return file?.exports.map(({ name }) => name) ?? [];
}

describe("documents", () => {
  for (const path of documents) {
    test(`the tables of ${path} are those of the code (npm run docs)`, async () => {
      const text = readFileSync(join(root, path), "utf8");
      expect(await regenerate(path, text)).toBe(text);
    });
  }

  test("every sentence of SEMANTICS.md has a test that names it, and the other way round", () => {
    const text = readFileSync(join(root, "docs", "SEMANTICS.md"), "utf8");
    const ids = (from: string): string[] => from.match(/\[S-[0-9]+\]/g) ?? [];
    const promised = ids(text);
    expect(promised.filter((id, at) => promised.indexOf(id) !== at)).toEqual([]);
    const tested = new Set(
      files.filter(({ path }) => path.startsWith("test/")).flatMap((file) => ids(file.text)),
    );
    expect(promised.filter((id) => !tested.has(id))).toEqual([]);
    expect([...tested].filter((id) => !promised.includes(id))).toEqual([]);
  });

  test("every defect of the original has a test that names it", () => {
    const text = readFileSync(join(root, "docs", "ORIGINAL.md"), "utf8");
    const listed = [...text.matchAll(/^\| ([0-9]+) \|/gm)].map(([, number]) => Number(number));
    const named = files
      .filter(({ path }) => path.startsWith("test/"))
      .flatMap((file) => [...file.text.matchAll(/\/\/ Defects? ([0-9, ]+)/g)])
      .flatMap(([, numbers = ""]) => numbers.split(",").map(Number));
    expect(listed.length).toBeGreaterThan(0);
    expect(listed.filter((number) => !named.includes(number))).toEqual([]);
  });

  test("every link between the documents leads somewhere", async () => {
    const glob = new Bun.Glob("{*.md,docs/*.md}");
    const broken: string[] = [];
    for (const path of glob.scanSync({ cwd: root })) {
      const text = readFileSync(join(root, path), "utf8");
      for (const [, link = ""] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        const target = join(root, path, "..", link);
        if (!/^[a-z]+:/.test(link) && !(await Bun.file(target).exists())) {
          broken.push(`${path}: ${link}`);
        }
      }
    }
    expect(broken).toEqual([]);
  });
});
