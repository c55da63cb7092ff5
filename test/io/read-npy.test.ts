import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dense, type NumericArray } from 'lapidary';
import { readNpy, writeNpy } from 'lapidary/io';
import { native } from '../../dist/io/native.js';

/** A file as NumPy would write it. */
function npy(header: string, data: Uint8Array = new Uint8Array(), version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const sizes = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Uint8Array.of(0x93, ...new TextEncoder().encode('NUMPY'), version, 0, ...sizes, ...text, ...data);
}
const dict = (descr: string, shape: string, order = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
const bytesOf = (array: NumericArray | BigInt64Array | BigUint64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const reversed = (array: NumericArray | BigInt64Array): Uint8Array => {
  const width = array.BYTES_PER_ELEMENT;
  return bytesOf(array).map((_, i, all) => all[i - (i % width) + width - 1 - (i % width)]!);
};
const failure = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, name: 'LapidaryError', ...(message && { message: expect.stringMatching(message) }) });

const arrays: [string, NumericArray][] = [
  ['f8', Float64Array.of(1.5, -0, NaN, Infinity, 5e-324, 2 ** 53)],
  ['f4', Float32Array.of(1.5, -0, NaN, -Infinity, 1e-45, 3)],
  ['i4', Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 1, -1, 7)],
  ['u4', Uint32Array.of(2 ** 32 - 1, 0, 1, 2, 3, 4)],
  ['i2', Int16Array.of(-32768, 32767, 0, 1, -1, 7)],
  ['u2', Uint16Array.of(65535, 0, 1, 2, 3, 4)],
  ['i1', Int8Array.of(-128, 127, 0, 1, -1, 7)],
  ['u1', Uint8Array.of(255, 0, 1, 2, 3, 4)],
];

describe('readNpy', () => {
  test.each(arrays)('%s: both byte orders, both orders, every version', (name, values) => {
    for (const version of [1, 2, 3]) {
      for (const [order, data] of [
        ['<', bytesOf(values)],
        ['>', reversed(values)],
      ] as const) {
        const at = (shape: string, fortran = 'False') =>
          readNpy(npy(dict(order + name, shape, fortran), data, version));
        expect(at('(6,)')).toEqual(values);
        expect(at('(2, 3)')).toEqual({ rows: 2, cols: 3, data: values });
        const turned = values.slice();
        for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) turned[i * 3 + j] = values[j * 2 + i]!;
        expect(at('(2, 3)', 'True')).toEqual({ rows: 2, cols: 3, data: turned });
        expect(at('(6,)', 'True')).toEqual(values);
      }
    }
  });

  test('no dimension, and empty ones', () => {
    expect(readNpy(npy(dict('<f8', '()'), bytesOf(Float64Array.of(7))))).toEqual(Float64Array.of(7));
    expect(readNpy(npy(dict('<f4', '(0,)')))).toEqual(new Float32Array());
    expect(readNpy(npy(dict('<f4', '(0, 5)', 'True')))).toEqual(dense(0, 5, new Float32Array()));
    expect(readNpy(npy(dict('<f4', '(9007199254740991, 0)', 'True')))).toEqual(
      dense(2 ** 53 - 1, 0, new Float32Array()),
    );
  });

  test('half floats keep their bits; bool and 64-bit integers become what holds them', () => {
    const half = Uint16Array.of(0x3c00, 0x7e00);
    expect(readNpy(npy(dict('<f2', '(1, 2)'), bytesOf(half)))).toEqual({ rows: 1, cols: 2, data: half, dtype: 'f16' });
    expect(readNpy(npy(dict('<f2', '(2,)'), bytesOf(half)))).toEqual(half);
    expect(readNpy(npy(dict('|b1', '(2,)'), Uint8Array.of(1, 0)))).toEqual(Uint8Array.of(1, 0));
    const signed = BigInt64Array.of(-(2n ** 63n), 2n ** 53n, -1n, 0n, -(2n ** 53n) - 2n);
    expect(readNpy(npy(dict('<i8', '(5,)'), bytesOf(signed)))).toEqual(Float64Array.from(signed, Number));
    expect(readNpy(npy(dict('>i8', '(5,)'), reversed(signed)))).toEqual(Float64Array.from(signed, Number));
    const unsigned = BigUint64Array.of(2n ** 63n, 2n ** 64n - 2048n, 5n);
    expect(readNpy(npy(dict('<u8', '(3,)'), bytesOf(unsigned)))).toEqual(Float64Array.from(unsigned, Number));
    for (const [name, bad] of [
      ['i8', BigInt64Array.of(0n, 2n ** 53n + 1n)],
      ['i8', BigInt64Array.of(0n, 2n ** 63n - 1n)],
      ['u8', BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ] as const)
      expect(() => readNpy(npy(dict(`<${name}`, '(2,)'), bytesOf(bad)))).toThrow(
        failure('ERR_RANGE', /element 1.*double, got \d/),
      );
  });

  test('the header is Python, however it is spaced and quoted', () => {
    const data = bytesOf(Float32Array.of(1, 2));
    for (const header of [
      `{"shape":(2,),'fortran_order':False,"descr":'<f4'}`,
      `  {  'descr'  :  '<f4'  ,\n'fortran_order':False,'shape':(2L,),}   \n`,
      `{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n\0\0`,
    ])
      expect(readNpy(npy(header, data))).toEqual(Float32Array.of(1, 2));
  });

  test.each([
    [`{'descr': '<f4', 'fortran_order': False}`, /keys descr/],
    [`{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}`, /each once/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}`, /each once/],
    [`{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}`, /True or False/],
    [`{'descr': '<f4', 'fortran_order': 'True', 'shape': ()}`, /bytes of data|True or False/],
    [`{'descr': '<f4', 'fortran_order': None, 'shape': (2,)}`, /True or False/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (2)}`, /tuple/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': [2]}`, /dict literal|'\('/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}`, /dict literal/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}`, /dict literal/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (nan,)}`, /size/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (0x2,)}`, /dict literal/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}`, /2\^53/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (1e3,)}`, /dict literal/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} + {}`, /dict literal|nothing after/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} {}`, /nothing after/],
    [`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}`, /dict literal|plain data type/],
    [`{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (2,)}`, /dict literal/],
    [`__import__('os').system('true')`, /'\{'|dict literal/],
    ['', /'\{'/],
    [dict('|O', '(2,)'), /dtype/],
    [dict('<c8', '(1,)'), /dtype/],
    [dict('<U2', '(1,)'), /dtype/],
    [dict('|f4', '(2,)'), /dtype/],
    [dict('<f16', '(1,)'), /dtype/],
    [dict('<constructor', '(1,)'), /dtype/],
    [dict('<f4', '(1, 1, 2)'), /2 dimensions/],
    [dict('<f4', '(3,)'), /12 bytes of data.*got 8/],
    [dict('<f4', '(1,)'), /4 bytes of data.*got 8/],
    [dict('<f4', '(9007199254740991, 9007199254740991)'), /bytes of data/],
    [dict('<f4', '(0, 9007199254740991)'), /0 bytes of data.*got 8/],
  ])('refuses %s', (header, message) => {
    expect(() => readNpy(npy(header, bytesOf(Float32Array.of(1, 2))))).toThrow(failure('ERR_FORMAT', message));
  });

  test('refuses wrong magic, versions and lengths of headers', () => {
    const good = npy(dict('<f4', '(1,)'), bytesOf(Float32Array.of(1)));
    const with_ = (offset: number, value: number): Uint8Array => good.with(offset, value);
    expect(() => readNpy(with_(0, 0x92))).toThrow(failure('ERR_FORMAT', /byte 0.*magic/));
    expect(() => readNpy(with_(6, 4))).toThrow(failure('ERR_FORMAT', /version/));
    expect(() => readNpy(with_(7, 1))).toThrow(failure('ERR_FORMAT', /version/));
    expect(() => readNpy(with_(9, 0xff))).toThrow(failure('ERR_FORMAT', /bytes of header/));
    const huge = npy(dict('<f4', '(1,)'), bytesOf(Float32Array.of(1)), 2).fill(0xff, 8, 12);
    expect(() => readNpy(huge)).toThrow(failure('ERR_FORMAT', /got 4294967295/));
  });

  test('cut off anywhere, it is refused; with any byte changed, it is read or refused', () => {
    const good = npy(dict('<i2', '(2, 3)', 'True'), bytesOf(Int16Array.of(1, 2, 3, 4, 5, 6)));
    for (let length = 0; length < good.length; length++)
      expect(() => readNpy(good.slice(0, length)), `cut at ${length}`).toThrow(failure('ERR_FORMAT'));
    let refused = 0;
    for (let i = 0; i < good.length; i++)
      for (const value of [0, 0x20, 0x27, 0x39, 0x7f, 0xff]) {
        try {
          readNpy(good.with(i, value));
        } catch (error) {
          refused++;
          expect(error).toEqual(failure('ERR_FORMAT'));
        }
      }
    expect(refused).toBeGreaterThan(200);
  });
});

describe('files', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'lapidary-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('by path and URL', () => {
    const path = join(folder, 'a b.npy');
    const value = dense(3, 2, Float64Array.of(1, 2, 3, 4, 5, 6));
    writeFileSync(path, writeNpy(value));
    expect(readNpy(path)).toEqual(value);
    expect(readNpy(pathToFileURL(path))).toEqual(value);
  });

  test.skipIf(process.platform === 'win32')('a pipe that nobody writes to is refused and not waited for', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const program = `import { readNpy } from 'lapidary/io'; readNpy(${JSON.stringify(pipe)});`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 10_000,
      encoding: 'utf8',
    });
    expect(child.stderr).toMatch(/expected a file, got a special file/);
  });

  test('missing files, directories and devices', () => {
    expect(() => readNpy(join(folder, 'none.npy'))).toThrow(failure('ERR_IO', /none\.npy.*ENOENT/));
    expect(() => readNpy(folder)).toThrow(failure('ERR_IO', /directory/));
    expect(() => readNpy('/dev/zero')).toThrow(failure('ERR_IO', /special file/));
    expect(() => readNpy('')).toThrow(failure('ERR_DTYPE'));
    expect(() => readNpy('a\0b')).toThrow(failure('ERR_IO'));
    expect(() => readNpy(new URL('http://localhost/x.npy'))).toThrow(failure('ERR_DTYPE'));
    expect(() => readNpy(new URL('file://elsewhere/x.npy'))).toThrow(failure('ERR_DTYPE', /source/));
    expect(() => readNpy(new URL('file:///a%2Fb.npy'))).toThrow(failure('ERR_DTYPE', /source/));
    expect(() => readNpy(7 as never)).toThrow(failure('ERR_DTYPE'));
    const path = join(folder, 'short.npy');
    writeFileSync(path, npy(dict('<f4', '(2,)'), new Uint8Array(7)));
    expect(() => readNpy(path)).toThrow(failure('ERR_FORMAT', /readNpy: source '.*short\.npy', byte \d+/));
  });
});

test('the binding refuses sizes that its arrays do not have', () => {
  expect(() => native.toRowMajor(new Uint8Array(8), 2 ** 40, 2 ** 40, 8, new Uint8Array(8))).toThrow(
    failure('ERR_RANGE'),
  );
  expect(() => native.toRowMajor(new Uint8Array(8), 2, 2, 3, new Uint8Array(8))).toThrow(failure('ERR_RANGE'));
  expect(() => native.toRowMajor(new Uint8Array(8), 2, 2, 4, new Uint8Array(8))).toThrow(failure('ERR_SHAPE'));
  const bytes = new Uint8Array(8);
  expect(() => native.toRowMajor(bytes, 2, 4, 1, bytes)).toThrow(failure('ERR_ALIAS'));
});
