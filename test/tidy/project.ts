import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";

export const root = join(import.meta.dirname, "..", "..");

/** One import of one file, by whatever syntax. */
export interface Import {
  readonly line: number;
  /** As written, or the path of the file it means, from the root of the project. */
  readonly target: string;
  /** Names taken from it; null where all of it is taken. */
  readonly names: readonly string[] | null;
}

export interface Named {
  readonly name: string;
  readonly line: number;
}

export interface Exported extends Named {
  readonly isType: boolean;
}

export interface FunctionSize extends Named {
  readonly lines: number;
}

/** One source file, read once and taken apart. */
export interface SourceFile {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly exports: readonly Exported[];
  /** Everything that the text of its exported declarations mentions. */
  readonly publicWords: ReadonlySet<string>;
  /** `export … from`, `export *` and `export default`. */
  readonly forwards: readonly number[];
  readonly functions: readonly FunctionSize[];
  /** Every `name` and `name.member` in it that is no declaration or member itself. */
  readonly words: readonly Named[];
}

/** Every TypeScript file of the project. */
export function readProject(): SourceFile[] {
  const glob = new Bun.Glob("{src,test,tools}/**/*.ts");
  return ["build.ts", ...glob.scanSync({ cwd: root })].sort().map(readSource);
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
  const found = new Findings(path, tree);
  found.visit(tree);
  return { path, text, lines: text.split("\n").length - 1, ...found };
}

class Findings {
  readonly imports: Import[] = [];
  readonly exports: Exported[] = [];
  readonly publicWords = new Set<string>();
  readonly forwards: number[] = [];
  readonly functions: FunctionSize[] = [];
  readonly words: Named[] = [];
  readonly #path: string;
  readonly #tree: ts.SourceFile;

  constructor(path: string, tree: ts.SourceFile) {
    this.#path = path;
    this.#tree = tree;
  }

  visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node)) {
      this.#import(node, node.moduleSpecifier, importedNames(node));
      return;
    }
    if (ts.isExportDeclaration(node) || ts.isExportAssignment(node)) {
      this.forwards.push(this.#line(node));
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      this.#import(node, node.arguments[0], dynamicNames(node));
    }
    if (isImportOfUrl(node)) this.#import(node, node.arguments?.[0], null);
    if (ts.isFunctionLike(node)) this.#function(node);
    if (isExported(node)) this.#export(node);
    this.#word(node);
    ts.forEachChild(node, (child) => this.visit(child));
  }

  #import(node: ts.Node, specifier: ts.Node | undefined, names: readonly string[] | null): void {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const { text } = specifier;
    const target = text.startsWith(".")
      ? relative(root, join(root, dirname(this.#path), text))
      : text;
    this.imports.push({ line: this.#line(node), target, names });
  }

  #export(node: ts.Node): void {
    const isType = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
    const names = isNamed(node)
      ? [node.name]
      : ts.isVariableStatement(node)
        ? node.declarationList.declarations.map((declaration) => declaration.name)
        : [];
    for (const name of names) {
      if (name === undefined) continue;
      this.exports.push({ name: name.getText(), line: this.#line(node), isType });
    }
    for (const word of node.getText().match(/[A-Za-z_$][\w$]*/g) ?? []) {
      if (!names.some((name) => name?.getText() === word)) this.publicWords.add(word);
    }
  }

  /** A function that only groups tests is a table of contents, however long. */
  #function(node: ts.SignatureDeclaration): void {
    const call = node.parent;
    const grouping =
      ts.isCallExpression(call) && call.expression.getText(this.#tree).startsWith("describe");
    if (grouping || !("body" in node) || node.body === undefined) return;
    const lines = this.#endLine(node) - this.#line(node) + 1;
    const name = node.name?.getText(this.#tree) ?? "a function";
    this.functions.push({ name, line: this.#line(node), lines });
  }

  #word(node: ts.Node): void {
    if (!ts.isIdentifier(node) || isNameOfSomethingElse(node)) return;
    const line = this.#line(node);
    this.words.push({ name: node.text, line });
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent) && parent.expression === node) {
      this.words.push({ name: `${node.text}.${parent.name.text}`, line });
    }
  }

  #line(node: ts.Node): number {
    return this.#tree.getLineAndCharacterOfPosition(node.getStart(this.#tree)).line + 1;
  }

  #endLine(node: ts.Node): number {
    return this.#tree.getLineAndCharacterOfPosition(node.end).line + 1;
  }
}

function importedNames(node: ts.ImportDeclaration): readonly string[] | null {
  const bindings = node.importClause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return null;
  return bindings.elements.map((element) => (element.propertyName ?? element.name).text);
}

/** `(await import("x")).name` and `const { name } = await import("x")` say what they take. */
function dynamicNames(node: ts.CallExpression): readonly string[] | null {
  let outer: ts.Node = node.parent;
  while (ts.isAwaitExpression(outer) || ts.isParenthesizedExpression(outer)) outer = outer.parent;
  if (ts.isPropertyAccessExpression(outer)) return [outer.name.text];
  if (ts.isVariableDeclaration(outer) && ts.isObjectBindingPattern(outer.name)) {
    return outer.name.elements.map((element) => (element.propertyName ?? element.name).getText());
  }
  return null;
}

/** `new URL("./x.ts", import.meta.url)` and `new Worker("./x.ts")` start a file. */
function isImportOfUrl(node: ts.Node): node is ts.NewExpression {
  return (
    ts.isNewExpression(node) &&
    ts.isIdentifier(node.expression) &&
    ["URL", "Worker"].includes(node.expression.text)
  );
}

function isNamed(node: ts.Node): node is ts.Node & { readonly name?: ts.Identifier } {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node)
  );
}

function isExported(node: ts.Node): boolean {
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  );
}

/** The name of a member, property, parameter or import, which mentions no global. */
function isNameOfSomethingElse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  if (ts.isImportSpecifier(parent) || ts.isPropertyAssignment(parent)) return parent.name === node;
  return "name" in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent);
}
