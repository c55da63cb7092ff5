import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { dense, getThreads, setThreads, type Csr, type Dense } from 'lapidary';
import { readMatrixMarket, writeMatrixMarket } from 'lapidary/io';
import { native as core } from '../../dist/core/native.js';
import { native } from '../../dist/io/native.js';
import { randomCsr, sameBits } from '../support/sparse.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (text: string) => readMatrixMarket(bytes(text));
const failure = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, name: 'LapidaryError', ...(message && { message: expect.stringMatching(message) }) });
const banner = (kind: string): string => `%%MatrixMarket matrix ${kind}\n`;
const threads = getThreads();
afterEach(() => {
  setThreads(threads);
  core.failAllocation(-1);
});

/** The value as rows of numbers. */
const grid = (a: Csr | Dense): number[][] =>
  Array.from({ length: a.rows }, (_, i) =>
    Array.from({ length: a.cols }, (_, j) => {
      if (!('indptr' in a)) return a.data[i * a.cols + j]!;
      for (let k = a.indptr[i]!; k < a.indptr[i + 1]!; k++) if (a.indices[k] === j) return a.values[k]!;
      return 0;
    }),
  );

describe('what a file means', () => {
  test('coordinate, real: entries in any order, those at one place summed', () => {
    const a = read(banner('coordinate real general') + '2 3 4\n2 3 1.5\n1 1 -2e3\n2 3 .25\n1 3 7\n') as Csr;
    expect(a).toEqual({
      rows: 2,
      cols: 3,
      indptr: Uint32Array.of(0, 2, 3),
      indices: Uint32Array.of(0, 2, 2),
      values: Float64Array.of(-2000, 7, 1.75),
    });
  });

  test.each([
    [
      'coordinate integer general',
      '2 2 2\n1 2 -5\n2 1 +7\n',
      [
        [0, -5],
        [7, 0],
      ],
    ],
    ['coordinate double general', '1 2 1\n1 2 0.5\n', [[0, 0.5]]],
    ['array unsigned-integer general', '1 1\n4294967295\n', [[4294967295]]],
    [
      'coordinate pattern general',
      '2 2 2\n1 2\n2 2\n',
      [
        [0, 1],
        [0, 1],
      ],
    ],
    [
      'coordinate real symmetric',
      '2 2 2\n1 1 4\n2 1 3\n',
      [
        [4, 3],
        [3, 0],
      ],
    ],
    [
      'coordinate real symmetric',
      '2 2 1\n1 2 3\n',
      [
        [0, 3],
        [3, 0],
      ],
    ],
    [
      'coordinate pattern symmetric',
      '2 2 1\n2 1\n',
      [
        [0, 1],
        [1, 0],
      ],
    ],
    [
      'coordinate integer skew-symmetric',
      '2 2 1\n2 1 3\n',
      [
        [0, -3],
        [3, 0],
      ],
    ],
    [
      'array real general',
      '2 3\n1\n2\n3\n4\n5\n6\n',
      [
        [1, 3, 5],
        [2, 4, 6],
      ],
    ],
    ['array integer general', '1 1\n-3\n', [[-3]]],
    [
      'array real symmetric',
      '3 3\n1\n2\n3\n4\n5\n6\n',
      [
        [1, 2, 3],
        [2, 4, 5],
        [3, 5, 6],
      ],
    ],
    [
      'array real skew-symmetric',
      '3 3\n1\n2\n3\n',
      [
        [0, -1, -2],
        [1, 0, -3],
        [2, 3, 0],
      ],
    ],
    ['coordinate real general', '0 0 0\n', []],
    ['coordinate real general', '2 1 0\n', [[0], [0]]],
    ['array real skew-symmetric', '1 1\n', [[0]]],
    ['array real general', '0 7\n', []],
    ['array real general', '2 0\n', [[], []]],
  ])('%s', (kind, body, expected) => {
    expect(grid(read(banner(kind) + body))).toEqual(expected);
  });

  test('comments, blank lines, CR LF, capitals, indentation, long lines, no newline at the end', () => {
    const long = `%${'x'.repeat(1_000_000)}`;
    const text = [
      '  %%matrixMARKET\tMatrix  Coordinate REAL General',
      '%',
      long,
      '',
      '  % indented',
      ' \t2   2\t3  ',
      '',
      long,
      '  1 1    1.0E+0  ',
      ' \t ',
      `2\t${' '.repeat(500_000)}2 -inf`,
      '%late comment',
      '1 2 NaN',
    ];
    const expected = { indptr: Uint32Array.of(0, 2, 3), values: Float64Array.of(1, NaN, -Infinity) };
    expect(read(text.join('\n'))).toMatchObject(expected);
    expect(read(text.join('\r\n') + '\r\n\r\n')).toMatchObject(expected);
  });

  test('numbers are the nearest doubles', () => {
    const numbers = ['0.1', '1e23', '9007199254740993', '2.2250738585072011e-308', '5e-324', '1.7976931348623157e308'];
    numbers.push('1' + '0'.repeat(1000) + '1e-1000', '0.' + '0'.repeat(400) + '1'.repeat(2000));
    numbers.push('1e-400', '1e400', '-0', '123456789012345678901234567890', '0.30000000000000004');
    const a = read(banner('array real general') + `${numbers.length} 1\n${numbers.join('\n')}\n`) as Dense;
    expect([...a.data]).toEqual(numbers.map(Number));
  });

  test('a file larger than a block gives the same bits with any number of threads', () => {
    const a = randomCsr(20_000, 5_000, 6, 1);
    const file = writeMatrixMarket(a, { comment: 'large' });
    expect(file.length).toBeGreaterThan(3 << 20);
    for (const n of [1, 2, 3, 7]) {
      setThreads(n);
      sameBits(readMatrixMarket(file) as Csr, a);
    }
  });
});

describe('what is no file', () => {
  test.each([
    ['', /line 1.*%%MatrixMarket/],
    ['%%MatrixMarket', /line 1.*matrix/],
    ['%MatrixMarket matrix array real general\n1 1\n1\n', /line 1/],
    [banner('vector real general'), /line 1/],
    ['%%MatrixMarket tensor array real general\n1 1\n1\n', /the object matrix, got 'tensor'/],
    [banner('dense real general'), /the format coordinate, array, got 'dense'/],
    [banner('coordinate complex general') + '1 1 1\n1 1 1 0\n', /real, integer, pattern, got 'complex'/],
    [banner('coordinate real hermitian') + '1 1 1\n1 1 1\n', /symmetry of .*, got 'hermitian'/],
    [banner('array pattern general') + '1 1\n', /real, integer, got 'pattern'/],
    [banner('array real general extra'), /five words/],
    [banner('coordinate real general'), /size line of 3.*got nothing/],
    [banner('coordinate real general') + '1 1\n', /line 2.*size line of 3/],
    [banner('coordinate real general') + '1 1 1 1\n', /line 2.*size line of 3/],
    [banner('coordinate real general') + '%\n\nNaN 1 1\n', /line 4.*whole numbers/],
    [banner('coordinate real general') + '-1 1 1\n', /whole numbers/],
    [banner('coordinate real general') + '1.0 1 1\n', /whole numbers/],
    [banner('coordinate real general') + '1 1 99999999999999999999\n', /whole numbers/],
    [banner('coordinate real symmetric') + '2 3 0\n', /square.*got 2 × 3/],
    [banner('array real skew-symmetric') + '2 3\n', /square/],
    [banner('coordinate real general') + '2 2 2\n1 1 1\n', /2 lines of entries.*got 1 lines/],
    [banner('coordinate real general') + '2 2 1\n1 1 1\n2 2 2\n', /1 lines of entries.*got 2 lines/],
    [banner('array real general') + '2 2\n1\n2\n3\n', /4 lines of entries.*got 3/],
    [banner('coordinate real general') + '2 2 1\n\n%\n3 1 1\n', /line 5.*row index from 1 to 2, got '3 1 1'/],
    [banner('coordinate real general') + '2 2 1\n0 1 1\n', /line 3.*row index/],
    [banner('coordinate real general') + '2 2 1\n-1 1 1\n', /row index/],
    [banner('coordinate real general') + '2 2 1\n1.0 1 1\n', /row index/],
    [banner('coordinate real general') + '2 2 1\n4294967297 1 1\n', /row index/],
    [banner('coordinate real general') + '2 2 1\n18446744073709551617 1 1\n', /row index/],
    [banner('coordinate real general') + '2 2 2\n1 1 1\n1 3 1\n', /line 4.*column index from 1 to 2/],
    [banner('coordinate real general') + '2 2 1\n1\n', /column index/],
    [banner('coordinate real general') + '2 2 1\n1 1\n', /number as value/],
    [banner('coordinate real general') + '2 2 1\n1 1 x\n', /number as value/],
    [banner('coordinate real general') + '2 2 1\n1 1 1,5\n', /number as value/],
    [banner('coordinate real general') + '2 2 1\n1 1 1 2\n', /nothing more/],
    [banner('coordinate integer general') + '2 2 1\n1 1 1.5\n', /whole number as value/],
    [banner('coordinate integer general') + '2 2 1\n1 1 nan\n', /whole number as value/],
    [banner('coordinate pattern general') + '2 2 1\n1 1 1\n', /nothing more/],
    [banner('coordinate real skew-symmetric') + '2 2 1\n2 2 1\n', /line 3.*diagonal/],
    [banner('array real general') + '1 2\n1 2\n', /2 lines/],
    [banner('array real general') + '1 1\n1 2\n', /nothing more/],
    [banner('coordinate real general') + '2 2 1\n1 1 1\0\n', /number as value/],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(failure('ERR_FORMAT', message));
  });

  test('what stands behind many spaces on the first lines is not overlooked', () => {
    const far = `${' '.repeat(500)}1`;
    for (const text of ['real general\n1 1 0' + far + '\n', `real general${far}\n1 1 0\n`])
      expect(() => read(banner('coordinate').trim() + ' ' + text)).toThrow(failure('ERR_FORMAT', /line [12]/));
  });

  test('a file of one long line costs no more than one of many lines', () => {
    const time = (file: Uint8Array): number => {
      file.set(bytes(banner('coordinate real general') + '1 1 1\n'));
      const start = performance.now();
      expect(() => readMatrixMarket(file)).toThrow(failure('ERR_FORMAT'));
      return performance.now() - start;
    };
    setThreads(1);
    const size = 64 << 20;
    const many = new Uint8Array(size).fill(48).map((digit, i) => (i % 100 === 0 ? 10 : digit));
    time(many);
    expect(time(new Uint8Array(size).fill(48))).toBeLessThan(6 * time(many));
  });

  test('lying sizes allocate nothing', () => {
    for (const [kind, size] of [
      ['coordinate real general', '3 3 1000000000000000'],
      ['coordinate real symmetric', '3 3 4294967295'],
      ['coordinate real general', '4294967294 3 1'],
      ['coordinate real general', '4294967295 3 1'],
      ['coordinate real general', '3 4294967296 1'],
      ['coordinate real general', '9007199254740991 9007199254740991 1'],
      ['array real general', '9007199254740991 9007199254740991'],
      ['array real general', '3000000000 3000000000'],
      ['array real symmetric', '3000000000 3000000000'],
    ]) {
      const before = process.memoryUsage().arrayBuffers;
      expect(() => read(`${banner(kind!)}${size}\n1 1 1\n`), size).toThrow(failure('ERR_FORMAT', /line/));
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    }
    // Sizes whose product is 0 hold nothing, whatever they are.
    expect(read(banner('array real general') + '9007199254740991 0\n')).toEqual(dense(2 ** 53 - 1, 0));
  });

  test('cut off anywhere, it is refused unless only digits or the newline are missing', () => {
    const text = banner('coordinate real symmetric') + '3 3 2\n1 1 12.5\n3 2 -4.5e10\n';
    for (let length = 0; length < text.length; length++) {
      const complete = length >= text.indexOf('-4') + 2;
      try {
        const a = read(text.slice(0, length)) as Csr;
        expect(complete, text.slice(0, length)).toBe(true);
        expect(a.indices.length).toBe(3);
      } catch (error) {
        expect(error).toEqual(failure('ERR_FORMAT'));
      }
    }
  });

  test('with any bytes in it, it is read or refused', () => {
    const good = bytes(banner('coordinate real general') + '3 3 2\n1 1 12.5\n3 2 -4.5e10\n');
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (position, value) => {
        try {
          readMatrixMarket(good.with(position, value));
        } catch (error) {
          refused++;
          expect(error).toEqual(failure('ERR_FORMAT'));
        }
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  test('files and arguments', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lapidary-'));
    try {
      const path = join(folder, 'm.mtx');
      writeFileSync(path, banner('array real general') + '1 1\n7\n');
      expect(readMatrixMarket(path)).toEqual(dense(1, 1, Float64Array.of(7)));
      writeFileSync(path, banner('array real general') + '1 1\nx\n');
      expect(() => readMatrixMarket(path)).toThrow(failure('ERR_FORMAT', /m\.mtx', line 3/));
      writeFileSync(path, '');
      expect(() => readMatrixMarket(path)).toThrow(failure('ERR_FORMAT'));
      expect(() => readMatrixMarket(folder)).toThrow(failure('ERR_IO', /directory/));
      expect(() => readMatrixMarket(join(folder, 'none'))).toThrow(failure('ERR_IO'));
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(() => readMatrixMarket(Float64Array.of(1) as never)).toThrow(failure('ERR_DTYPE'));
  });

  test('failing allocations are errors, until there is memory', () => {
    const file = writeMatrixMarket(randomCsr(2_000, 2_000, 6, 2));
    let failed = 0;
    for (let nth = 0; ; nth++) {
      core.failAllocation(nth);
      try {
        readMatrixMarket(file);
        break;
      } catch (error) {
        failed++;
        expect(error).toEqual(failure('ERR_OUT_OF_MEMORY'));
      }
    }
    core.failAllocation(-1);
    expect(failed).toBeLessThan(50);
  });

  test('the binding refuses arrays that do not fit the text', () => {
    const text = bytes('1 1 1\n2 2 2\n');
    const arrays = (n: number) => [new Uint32Array(n), new Uint32Array(n), new Float64Array(n)] as const;
    for (const n of [0, 1, 3])
      expect(() => native.marketCoordinates(text, 2, 2, 0, false, ...arrays(n), new Float64Array(2))).toThrow(
        failure('ERR_FORMAT'),
      );
    expect(() => native.marketCoordinates(text, 2, 2, 3, false, ...arrays(2), new Float64Array(2))).toThrow(
      failure('ERR_RANGE'),
    );
    expect(() => native.marketMirror(2, 1, ...arrays(3))).toThrow(failure('ERR_SHAPE'));
    expect(() => native.marketUnpack(new Float64Array(3), 3, false, new Float64Array(9))).toThrow(failure('ERR_SHAPE'));
  });
});
