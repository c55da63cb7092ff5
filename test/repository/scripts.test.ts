import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readText, root } from '../support/repository.js';

const { scripts } = JSON.parse(readText('package.json')) as { scripts: Record<string, string> };

test('npm runs no script that was not asked for: prebuild is no hook of build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lapidary-scripts-'));
  copyFileSync(join(root, '.npmrc'), join(folder, '.npmrc'));
  const said = (name: string) => `node -p "'${name} ran'"`;
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ scripts: { build: said('build'), prebuild: said('prebuild') } }),
  );
  const run = (name: string) =>
    execFileSync('npm', ['run', name], { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' });
  const lines = (name: string) => run(name).match(/^\w+ ran$/gm);
  expect(lines('build')).toEqual(['build ran']);
  expect(lines('prebuild')).toEqual(['prebuild ran']);
});

test('what works alone on a fresh clone makes what it needs first, itself', () => {
  for (const name of ['start', 'test', 'bench']) expect(scripts[name]).toMatch(/^node tools\/ensure\.mjs && /);
});

test('other programs call these scripts by name', () => {
  const fixed = ['start', 'test', 'build', 'bench', 'lint', 'typecheck', 'test:native', 'prebuild', 'docs'];
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(fixed));
});
