import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readText, root } from '../support/repository.js';

/** The newest versions that the published binary may ask of the system; README states them. */
const floors = { GLIBC: '2.29', GLIBCXX: '3.4.22', CXXABI: '1.3.11' };

const folder = mkdtempSync(join(tmpdir(), 'lapidary-package-'));
const installed = join(folder, 'app/node_modules/lapidary');
const binary = `prebuilds/${process.platform}-${process.arch}/lapidary.glibc.node`;
let tarball = '';
let packed: { size: number; unpackedSize: number; files: { path: string }[] };

/** A PATH with node, npm and a shell, and with neither compiler nor cmake nor python. */
function bareBin(): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const npm = spawnSync('which', ['npm'], { encoding: 'utf8' }).stdout.trim();
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync(npm, join(bin, 'npm'));
  for (const name of ['sh', 'env', 'dirname', 'uname', 'readlink']) {
    const found = spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim();
    if (found) symlinkSync(found, join(bin, name));
  }
  return bin;
}

const bare = { ...process.env };

function run(program: string, args: string[], env: NodeJS.ProcessEnv = bare) {
  const result = spawnSync(program, args, { cwd: join(folder, 'app'), env, encoding: 'utf8' });
  return { status: result.status, said: result.stdout + result.stderr };
}

beforeAll(() => {
  execFileSync('npm', ['run', 'prebuild'], { cwd: root, stdio: 'pipe' });
  const json = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8' });
  [packed] = JSON.parse(json) as [typeof packed];
  tarball = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
  );
  const bin = bareBin();
  Object.assign(
    bare,
    Object.fromEntries(
      Object.keys(bare).flatMap((name) => (/^(npm_|CXX$|CC$)/i.test(name) ? [[name, undefined]] : [])),
    ),
  );
  bare.PATH = bin;
  mkdirSync(join(folder, 'app'));
  writeFileSync(join(folder, 'app/package.json'), '{ "name": "app", "private": true }\n');
  const { status, said } = run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', tarball]);
  expect(status, said).toBe(0);
});

describe('the tarball', () => {
  test('has what it needs and nothing that makes npm build', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        ...[
          'package.json',
          'README.md',
          'LICENSE',
          'CHANGELOG.md',
          'CMakeLists.txt',
          'dist/index.js',
          'dist/index.d.ts',
        ],
        ...['dist/cli.js', 'native/sources.gypi', 'native/core/cpu.cc', 'native/exports.map', binary],
      ]),
    );
    expect(
      paths.filter((path) => !/^(dist|native|prebuilds)\/|^(package\.json|CMakeLists\.txt|[A-Z]+(\.md)?)$/.test(path)),
    ).toEqual([]);
    expect(paths).not.toContain('binding.gyp');
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      gypfile: boolean;
      scripts: Record<string, string>;
    };
    expect(manifest.gypfile).toBe(false);
    const lifecycle = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare', 'prepublish'];
    expect(Object.keys(manifest.scripts).filter((name) => lifecycle.includes(name))).toEqual([]);
  });

  test('every entry of the exports map is there', () => {
    const { exports } = JSON.parse(readText('package.json')) as {
      exports: Record<string, string | Record<string, string>>;
    };
    for (const target of Object.values(exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    ))
      expect(existsSync(join(installed, target)), target).toBe(true);
  });

  test('stays small', () => {
    console.log(
      `tarball: ${(packed.size / 1024).toFixed(0)} KiB, unpacked ${(packed.unpackedSize / 1024).toFixed(0)} KiB`,
    );
    expect(packed.size).toBeLessThan(3 << 20);
  });

  test('types resolve in every way of importing (attw) and the manifest is sound (publint)', () => {
    const npx = (...args: string[]) => spawnSync('npx', args, { cwd: root, encoding: 'utf8' });
    const attw = npx('attw', '--profile', 'esm-only', '--no-emoji', tarball);
    expect(attw.status, attw.stdout + attw.stderr).toBe(0);
    const publint = npx('publint', 'run', '--strict', tarball);
    expect(publint.status, publint.stdout + publint.stderr).toBe(0);
  });
});

const program = `
const x = dense(1, 2, Float64Array.of(1, 2));
if (philox(1).fill(new Float64Array(1))[0] !== philox(1).uniform(0)) throw new Error('wrong number');
console.log(cpuInfo().isa, x.cols);
`;

describe('installed without compiler, cmake and python', () => {
  test('the tools are really absent', () => {
    for (const tool of ['g++', 'cc', 'c++', 'cmake', 'make', 'python3'])
      expect(run('sh', ['-c', `command -v ${tool}`]).status, tool).not.toBe(0);
  });

  test('runs as an ES module', () => {
    writeFileSync(join(folder, 'app/a.mjs'), `import { cpuInfo, dense, philox } from 'lapidary';\n${program}`);
    const { status, said } = run('node', ['a.mjs']);
    expect(said).toMatch(/^\w+ 2\n$/);
    expect(status).toBe(0);
  });

  test('runs from CommonJS', () => {
    writeFileSync(join(folder, 'app/b.cjs'), `const { cpuInfo, dense, philox } = require('lapidary');\n${program}`);
    const { status, said } = run('node', ['--no-warnings', 'b.cjs']);
    expect(said).toMatch(/^\w+ 2\n$/);
    expect(status).toBe(0);
  });

  test('uses the published binary', () => {
    expect(run('node', ['node_modules/lapidary/dist/cli.js', 'doctor']).said).toMatch(/loaded +published binary/);
  });

  test('npm ci from the lockfile builds nothing', () => {
    rmSync(join(folder, 'app/node_modules'), { recursive: true });
    const { status, said } = run('npm', ['ci', '--prefer-offline', '--no-audit', '--foreground-scripts']);
    expect(status, said).toBe(0);
    expect(said).not.toMatch(/gyp/i);
    expect(run('node', ['a.mjs']).status).toBe(0);
  });

  test('lapidary build says what is missing', () => {
    const { status, said } = run('node', ['node_modules/lapidary/dist/cli.js', 'build']);
    expect(status).toBe(1);
    expect(said).toContain('a C++20 compiler');
  });
});

test('lapidary build makes an own binary from the shipped sources, and it is preferred', () => {
  const cli = join(installed, 'dist/cli.js');
  const built = run('node', [cli, 'build'], {
    ...process.env,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
    CCACHE_BASEDIR: installed, // where a compiler cache is set up, it knows the sources by their paths below this
  });
  expect(built.status, built.said).toBe(0);
  expect(run('node', [cli, 'doctor']).said).toMatch(/loaded +own build/);
  expect(run('node', ['a.mjs']).status).toBe(0);
});

describe('binding.gyp and CMake', () => {
  const require = createRequire(import.meta.url);
  const files = ['build/Release/lapidary.node', binary].map((file) => join(root, file));

  test('build the same functions', () => {
    const [own, published] = files.map((file) => {
      const addon = require(file) as Record<string, object>;
      return Object.entries(addon).map(([domain, methods]) => [domain, Object.keys(methods)]);
    });
    expect(published).toEqual(own);
    expect(own!.length).toBeGreaterThan(2);
  });

  test('export the same symbols and need the same libraries', () => {
    const facts = files.map((file) => {
      const exported = execFileSync('nm', ['-D', '--defined-only', file], { encoding: 'utf8' });
      const needed = execFileSync('readelf', ['-d', file], { encoding: 'utf8' });
      return {
        exported: exported
          .trim()
          .split('\n')
          .map((line) => line.split(' ').at(-1))
          .sort(),
        needed: [...needed.matchAll(/NEEDED.*\[(.*)\]/g)].map((match) => match[1]).sort(),
      };
    });
    expect(facts[1]).toEqual(facts[0]);
  });
});

test('the published binary asks for no newer system than README says', () => {
  const symbols = execFileSync('readelf', ['-V', join(root, binary)], { encoding: 'utf8' });
  const readme = readText('README.md');
  const number = (version: string) =>
    version.split('.').reduce((sum, part) => 1000 * sum + Number(part), 0) * 1000 ** (3 - version.split('.').length);
  for (const [library, floor] of Object.entries(floors)) {
    const versions = [...symbols.matchAll(new RegExp(`\\b${library}_([0-9.]+)`, 'g'))].map((match) => match[1]!);
    const newest = versions.sort((a, b) => number(a) - number(b)).at(-1)!;
    console.log(`${library} ${newest}`);
    expect(number(newest), `${library} ${newest} is above ${floor}`).toBeLessThanOrEqual(number(floor));
  }
  expect(readme).toContain(`glibc ${floors.GLIBC}`);
  expect(statSync(join(root, binary)).size).toBeLessThan(6 << 20);
});
