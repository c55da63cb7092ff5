import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cpuInfo } from 'lapidary';
import { root } from '../support/repository.js';

function lapidary(args: string[], { cwd = root, env = {} }: { cwd?: string; env?: Record<string, string> } = {}) {
  const options = { cwd, env: { ...process.env, ...env }, encoding: 'utf8' } as const;
  return spawnSync(process.execPath, [join(cwd, 'dist/cli.js'), ...args], options);
}

/** The package as it would be with no binary for this platform. */
function withoutBinary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lapidary-cli-'));
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('info --json says what cpuInfo says', () => {
  const { status, stdout } = lapidary(['info', '--json']);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ ...cpuInfo(), node: process.version });
});

test('info is readable', () => {
  const { status, stdout } = lapidary(['info'], { env: { LAPIDARY_ISA: 'portable' } });
  expect(status).toBe(0);
  expect(stdout).toMatch(/instruction set +portable \(of portable/);
});

test('doctor says which binary is loaded, and that all is well', () => {
  const { status, stdout } = lapidary(['doctor'], { env: { LAPIDARY_ISA: 'portable' } });
  expect(stdout).toMatch(/loaded +(own build|published binary)/);
  if (cpuInfo().supported.length > 1) expect(stdout).toMatch(/lowered from \w+ by LAPIDARY_ISA=portable/);
  expect(stdout).toContain('All is well.');
  expect(status).toBe(0);
});

test.each(['info', 'doctor'])('%s says why a table of crossover points is not used', (command) => {
  const { status, stdout } = lapidary([command], { env: { LAPIDARY_TUNE: join(root, 'package.json') } });
  expect(status).toBe(0);
  expect(stdout.replace(/\s+/g, ' ')).toContain(
    'package.json is ignored: it is not a table of `lapidary bench --tune`',
  );
});

describe('without a binary', () => {
  const cwd = withoutBinary();

  test.each(['info', 'doctor'])('%s says what was looked for and how to build', (command) => {
    const { status, stdout, stderr } = lapidary([command], { cwd });
    const said = stdout + stderr;
    expect(status).toBe(1);
    expect(said).toContain('own build (build/Release/lapidary.node): not there');
    expect(said).toContain('published binary (prebuilds/)');
    expect(said).toContain('npx lapidary build');
    expect(said).not.toMatch(/\n\s+at /); // no stack trace
  });

  test('build without a compiler names what is missing', () => {
    const { status, stderr } = lapidary(['build'], { cwd, env: { PATH: '/nonexistent', CXX: '' } });
    expect(status).toBe(1);
    expect(stderr).toContain('a C++20 compiler');
    expect(stderr).toContain('cmake');
  });

  test('the module itself throws ERR_NATIVE_LOAD', () => {
    const program = `import(${JSON.stringify(`${cwd}/dist/index.js`)}).catch((error) => console.log(error.code))`;
    const { stdout } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
    expect(stdout).toBe('ERR_NATIVE_LOAD\n');
  });
});

test('an unknown command is an error', () => {
  const { status, stderr } = lapidary(['frobnicate']);
  expect(status).toBe(1);
  expect(stderr).toContain("unknown command 'frobnicate'");
});
