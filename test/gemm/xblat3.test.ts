// The official test programs of BLAS level 3 (Debian's libblas-test) against sgemm and dgemm over our products.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cpuInfo } from 'lapidary';
import { filesOf, root } from '../support/repository.js';

const suite = '/usr/lib/x86_64-linux-gnu/blas';
const objects = filesOf('build/CMakeFiles', /\.o$/).filter((path) =>
  /kernels\.dir\/native\/(core|quant|gemm)\/[^/]*$/.test(path),
);
/** Route of native/gemm/operand.h. */
const routes = { auto: '0', flat: '2', blocked: '3' };
const missing = !existsSync(join(suite, 'xblat3d'))
  ? `${suite}/xblat3d is not there (Debian package libblas-test)`
  : objects.length === 0
    ? 'the objects of the build are not there'
    : spawnSync('c++', ['--version']).status !== 0
      ? 'there is no C++ compiler'
      : '';

describe.skipIf(missing)(`BLAS level 3 test programs${missing && `: ${missing}`}`, () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lapidary-xblat3-'));
    build('');
  }, 60_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** The programs find BLAS as libblas.so.3. Every object may be needed by another: all are linked. */
  function build(define: string): void {
    const source = 'test/support/blas-shim.cc';
    const flags = ['-std=c++20', '-O1', '-fPIC', '-shared', '-Inative', ...(define ? [`-D${define}`] : [])];
    const made = spawnSync('c++', [...flags, source, ...objects, '-o', join(folder, 'libblas.so.3'), '-lpthread'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(made.stderr).toBe('');
    expect(made.status).toBe(0);
  }

  /** The program's report on its GEMM, with sizes up to the largest that it has room for: several tiles, whole and cut. */
  function report(letter: 's' | 'd', isa: string, route: keyof typeof routes): string {
    const sizes = '0 1 2 3 9 16 33 65';
    const name = `${letter}blat3`;
    const input = readFileSync(join(suite, `${name}.in`), 'utf8')
      .replace(/^('S?D?BLAT3.SNAP'|'[^']*\.SNAP')/im, "'unused.snap'")
      .replace(/^6( +NUMBER OF VALUES OF N)/m, `${sizes.split(' ').length}$1`)
      .replace(/^0 1 2 3 5 9/m, sizes)
      .replace(/^([SD](?!GEMM)[A-Z0-9]+ +)T/gim, '$1F');
    writeFileSync(join(folder, 'in'), input);
    const ran = spawnSync(join(suite, `xblat3${letter}`), {
      cwd: folder,
      input,
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: folder, LAPIDARY_ISA: isa, BLAS_SHIM_ROUTE: routes[route] },
    });
    const summary = join(folder, `${name}.out`);
    return ran.stdout + ran.stderr + (existsSync(summary) ? readFileSync(summary, 'utf8') : '');
  }

  for (const isa of cpuInfo().supported)
    for (const letter of ['s', 'd'] as const)
      test.each(['auto', 'flat', 'blocked'] as const)(
        `${letter}gemm [${isa}], %s: passes error exits and computations`,
        (route) => {
          const text = report(letter, isa, route);
          const routine = `${letter.toUpperCase()}GEMM`;
          expect(text).toContain(`${routine}  PASSED THE TESTS OF ERROR-EXITS`);
          expect(text).toMatch(
            new RegExp(`${routine}  PASSED THE (COLUMN-MAJOR +)?COMPUTATIONAL TESTS \\( *41472 CALLS`),
          );
          expect(text).not.toMatch(/FAIL|SUSPECT|\*{7}/);
        },
      );

  test('a planted error is found', () => {
    build('PLANTED');
    expect(report('d', 'portable', 'auto')).toMatch(/FAIL|SUSPECT/);
  });
});
