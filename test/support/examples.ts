import ts from 'typescript';
import * as lapidary from 'lapidary';
import { readText, root } from './repository.js';

/** One public name: what its docstring says. */
export interface PublicItem {
  /** 'lapidary/gemm' */
  module: string;
  name: string;
  isFunction: boolean;
  documentation: string;
  examples: string[];
  throws: boolean;
  /** whether its body checks arguments */
  validates: boolean;
}

const { exports } = JSON.parse(readText('package.json')) as { exports: Record<string, { types?: string }> };

/** Module names of the package's entry points: 'lapidary', 'lapidary/gemm', … */
export const modules = Object.keys(exports)
  .filter((path) => path !== './package.json')
  .map((path) => `lapidary${path.slice(1)}`);

const sourceOf = (module: string) => `${root}lib${module.slice('lapidary'.length)}/index.ts`;

/** All values that the package exports, from their TypeScript sources; the root's namespaces are listed by their own module. */
export function publicItems(): PublicItem[] {
  const files = modules.map(sourceOf);
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  return modules.flatMap((module) => {
    const source = program.getSourceFile(sourceOf(module));
    const symbol = source && checker.getSymbolAtLocation(source);
    if (!symbol) return []; // a domain that exports nothing yet
    return checker.getExportsOfModule(symbol).flatMap((exported): PublicItem[] => {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (!(target.flags & ts.SymbolFlags.Value) || target.flags & ts.SymbolFlags.ValueModule) return [];
      const declarations = target.declarations ?? [];
      const type = checker.getTypeOfSymbolAtLocation(target, declarations[0]!);
      const tags = target.getJsDocTags(checker);
      return [
        {
          module,
          name: exported.name,
          isFunction: type.getCallSignatures().length > 0,
          documentation: ts.displayPartsToString(target.getDocumentationComment(checker)),
          examples: tags.filter((tag) => tag.name === 'example').map((tag) => ts.displayPartsToString(tag.text)),
          throws: tags.some((tag) => tag.name === 'throws'),
          validates: declarations.some((declaration) => /\bwhere\(/.test(declaration.getText())),
        },
      ];
    });
  });
}

export type Scope = Record<string, unknown>;

/** Every public export by name: the root's, then each domain's. */
export async function publicScope(): Promise<Scope> {
  const scope: Scope = { ...lapidary };
  for (const module of modules.slice(1)) Object.assign(scope, (await import(module)) as Scope);
  return scope;
}

interface Outcome {
  value: unknown;
  /** undefined where the example only has to run */
  expected?: unknown[];
}

const AsyncFunction = (async () => {
  await Promise.resolve();
}).constructor as new (...source: string[]) => (...values: unknown[]) => Promise<unknown>;

/**
 * Runs the lines of an example as a module body with `scope` in scope. If its last line is `expression // expected`,
 * the expression's value and the expected list are returned.
 */
export async function runExample(code: string, scope: Scope): Promise<Outcome> {
  const lines = code
    .replace(/^```\w*\n?|```$/g, '')
    .trim()
    .split('\n');
  const last = lines.pop()!;
  const cut = last.lastIndexOf(' // ');
  const names = Object.keys(scope);
  const values = Object.values(scope);
  const run = (body: string) => new AsyncFunction(...names, `'use strict';\n${body}`)(...values);
  if (cut < 0) return { value: await run([...lines, last].join('\n')) };
  const expression = last.slice(0, cut).replace(/;\s*$/, '');
  const value = await run([...lines, `return (${expression});`].join('\n'));
  const expected = (await run(`return [${last.slice(cut + 4)}];`)) as unknown[];
  return { value, expected };
}
