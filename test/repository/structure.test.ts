import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { filesOf, readText, root } from '../support/repository.js';

/** Lower domains first; a domain imports from strictly lower ranks and from core only. */
const order = [
  ['core'],
  ['quant'],
  ['gemm', 'sparse', 'special'],
  ['softmax', 'attention', 'recurrence'],
  ['solvers', 'completion', 'transport', 'decomposition'],
  ['optimize', 'graph', 'search', 'text', 'ranking', 'online', 'probability', 'compress', 'train', 'decode'],
];
const rankOf = (domain: string) => order.findIndex((rank) => rank.includes(domain));
/** Beside the order: they use core; io also makes sparse matrices, offload mirrors every domain. */
const beside = ['io', 'offload', 'cuda', 'cli'];

const sources = filesOf('lib', /\.ts$/).map((path) => ({ path, text: readText(path), domain: path.split('/')[1]! }));
const domains = [
  ...new Set(sources.filter(({ path }) => path.split('/').length > 2).map(({ domain }) => domain)),
].filter(
  (domain) => domain !== 'cli', // the command line, which nobody imports
);

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

/** Relative imports and re-exports of every file, resolved to files of lib. */
const imports: Import[] = sources.flatMap(({ path, text }) => {
  const found: Import[] = [];
  for (const statement of ts.createSourceFile(path, text, ts.ScriptTarget.Latest).statements) {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
    const target = statement.moduleSpecifier;
    if (!target || !ts.isStringLiteral(target) || !target.text.startsWith('.')) continue;
    const to = join(path, '..', target.text)
      .replace(/\.js$/, '.ts')
      .replace(/\.cjs$/, '.cts');
    const typeOnly = ts.isImportDeclaration(statement)
      ? statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
      : statement.isTypeOnly;
    found.push({ from: path, to, typeOnly });
  }
  return found;
});

const domainOf = (path: string) => (path.split('/').length > 2 ? path.split('/')[1]! : '');

test('every import leads to a file', () => {
  expect(imports.length).toBeGreaterThan(10);
  for (const { from, to } of imports) expect(existsSync(join(root, to)), `${from} imports ${to}`).toBe(true);
});

test('every domain has its place', () => {
  for (const domain of domains) expect(rankOf(domain) >= 0 || beside.includes(domain), domain).toBe(true);
});

test('domains import downwards only', () => {
  const wrong = imports.filter(({ from, to }) => {
    const [a, b] = [domainOf(from), domainOf(to)];
    if (a === b || a === '' || b === 'core' || a === 'offload' || a === 'cli') return false;
    if (a === 'io' && b === 'sparse') return false;
    if (beside.includes(a) || beside.includes(b)) return true;
    return rankOf(b) >= rankOf(a);
  });
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test('across domains only public functions and types are used, never another doorway', () => {
  const wrong = imports.filter(
    ({ from, to }) => domainOf(from) !== domainOf(to) && to.endsWith('/native.ts') && domainOf(to) !== 'core',
  );
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test('no file imports itself in a circle', () => {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const visit = (file: string, trail: string[]) => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      circles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const to of next.get(file) ?? []) visit(to, [...trail, file]);
    state.set(file, 'done');
  };
  for (const { path } of sources) visit(path, []);
  expect(circles).toEqual([]);
});

/** Names that the index of a domain exports from one of its files. */
function exportedFrom(domain: string): Map<string, string[]> {
  const index = `lib/${domain}/index.ts`;
  const exported = new Map<string, string[]>();
  for (const statement of ts.createSourceFile(index, readText(index), ts.ScriptTarget.Latest).statements) {
    if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier) continue;
    const file = join(index, '..', (statement.moduleSpecifier as ts.StringLiteral).text).replace(/\.js$/, '.ts');
    const names =
      statement.exportClause && ts.isNamedExports(statement.exportClause)
        ? statement.exportClause.elements.filter((e) => !e.isTypeOnly && !statement.isTypeOnly).map((e) => e.name.text)
        : ['*'];
    exported.set(file, [...(exported.get(file) ?? []), ...names]);
  }
  return exported;
}

/** Whether a file declares an exported function (or const that holds one). */
function exportedFunctions(path: string): string[] {
  return ts.createSourceFile(path, readText(path), ts.ScriptTarget.Latest).statements.flatMap((statement) => {
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);
    return isExported && ts.isFunctionDeclaration(statement) && statement.name ? [statement.name.text] : [];
  });
}

// An algorithm is a file that exports a public function: one that the domain's index passes on. Doorways (native.ts),
// types and helpers export none and need no files of their own. Infrastructure has tests but nothing to race.
const withoutBench = ['core', 'io', 'offload'];

describe.each(domains)('domain %s', (domain) => {
  const exported = exportedFrom(domain);
  const algorithms = filesOf(`lib/${domain}`, /^(?!index\.ts$).*\.ts$/).filter((path) => {
    const names = exported.get(path) ?? [];
    return names.includes('*') || exportedFunctions(path).some((name) => names.includes(name));
  });

  test('has an index, an export in package.json, a guide and a namespace at the root', () => {
    const { exports } = JSON.parse(readText('package.json')) as { exports: Record<string, unknown> };
    const path = domain === 'core' ? '.' : `./${domain}`;
    expect(exports).toHaveProperty([path]);
    const line =
      domain === 'core' ? "export * from './core/index.js'" : `export * as ${domain} from './${domain}/index.js'`;
    if (domain !== 'offload') expect(readText('lib/index.ts')).toContain(line);
    if (algorithms.length > 0) expect(existsSync(join(root, `docs/${domain}.md`)), `docs/${domain}.md`).toBe(true);
  });

  test.each(algorithms)('%s has its test and its bench', (path) => {
    const name = path.slice(`lib/${domain}/`.length, -'.ts'.length);
    expect(existsSync(join(root, `test/${domain}/${name}.test.ts`)), `test/${domain}/${name}.test.ts`).toBe(true);
    if (!withoutBench.includes(domain))
      expect(existsSync(join(root, `bench/${domain}/${name}.bench.ts`)), `bench/${domain}/${name}.bench.ts`).toBe(true);
  });
});
