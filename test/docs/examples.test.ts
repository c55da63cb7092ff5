import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { publicItems, publicScope, runExample } from '../support/examples.js';
import { filesOf, readText, root } from '../support/repository.js';

const items = publicItems();
const scope = await publicScope();

/** Numbers to 1e-6 relative, everything else deeply equal. */
function expectClose(value: unknown, expected: unknown): void {
  if (typeof value === 'number' && typeof expected === 'number' && Number.isFinite(expected)) {
    expect(Math.abs(value - expected), `${value} near ${expected}`).toBeLessThanOrEqual(1e-6 * Math.abs(expected));
  } else if (Array.isArray(expected) && (Array.isArray(value) || ArrayBuffer.isView(value))) {
    const got = Array.from(value as ArrayLike<unknown>);
    expect(got.length).toBe(expected.length);
    got.forEach((element, i) => {
      expectClose(element, expected[i]);
    });
  } else {
    expect(value).toEqual(expected);
  }
}

/** In a folder of its own: examples of writers leave files behind. */
async function check(example: string, names = scope): Promise<void> {
  const before = process.cwd();
  process.chdir(mkdtempSync(join(tmpdir(), 'lapidary-example-')));
  try {
    const { value, expected } = await runExample(example, names);
    if (!expected) return;
    const isList = expected.length !== 1 || ArrayBuffer.isView(value);
    expectClose(value, isList ? expected : expected[0]);
  } finally {
    process.chdir(before);
  }
}

test('what the sources export and what the package exports are the same names', () => {
  const names = new Set(items.map(({ name }) => name));
  const values = Object.entries(scope).filter(([, value]) => !isNamespace(value));
  expect([...names].sort()).toEqual(values.map(([name]) => name).sort());
});

const isNamespace = (value: unknown) => Object.prototype.toString.call(value) === '[object Module]';

describe.each(items.map((item) => [`${item.module}: ${item.name}`, item] as const))('%s', (_, item) => {
  test('says what it is', () => {
    expect(item.documentation.trim(), 'a docstring').not.toBe('');
    if (!item.isFunction) return;
    expect(item.examples.length, 'an @example').toBeGreaterThan(0);
    if (item.validates) expect(item.throws, '@throws, since it checks its arguments').toBe(true);
  });

  test.each(item.examples)('%s', async (example) => {
    await check(example);
  });
});

/** `import { a } from 'lapidary/b'` in the body of a function: the same names by a dynamic import. */
const asBody = (program: string): string =>
  program
    .replace(/^import \* as (\w+) from ('[^']+');?$/gm, 'const $1 = await load($2);')
    .replace(/^import (\{[^}]+\}) from ('[^']+');?$/gm, (_, names: string, from: string) => {
      return `const ${names.replaceAll(' as ', ': ')} = await load(${from});`;
    });

// A block marked ```js is a complete program and runs; other marks (```ts, ```sh, plain) are for reading.
const written = filesOf('docs', /\.md$/).filter((path) => !path.startsWith('docs/api/')); // that folder is generated
describe.each(['README.md', 'CONTRIBUTING.md', ...written])('%s', (file) => {
  const blocks = [...readText(file).matchAll(/^```js\n([\s\S]*?)^```/gm)].map((match) => match[1]!);

  test('its programs run', async () => {
    for (const block of blocks) await check(asBody(block), { load: (module: string) => import(module) });
  });

  test('its links to files lead somewhere', () => {
    const links = [...readText(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1]!);
    for (const link of links) expect(existsSync(join(root, file, '..', link)), `${file}: ${link}`).toBe(true);
  });
});
