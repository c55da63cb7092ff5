import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesOf, root } from '../support/repository.js';

const isElf = process.platform === 'linux';
const nm = (...args: string[]): string[] =>
  execFileSync('nm', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
    .split('\n')
    .filter(Boolean);

const isas = '(?:avx2|avx512|avx512vnni|avx512vpop|neon)';

// A weak or unique symbol (an inline function, a template of the standard library) that was compiled for AVX-512 may be
// the copy which the linker picks for everybody, and then an older processor stops at an illegal instruction.
// Two programs for each object: seconds, and more where others use the machine.
describe.runIf(isElf)('files of one instruction set', { timeout: 120_000 }, () => {
  const files = filesOf('native', new RegExp(`_${isas}\\.cc$`));
  const symbols = (file: string): string[] => {
    const object = `build/CMakeFiles/kernels.dir/${file}.o`;
    expect(existsSync(join(root, object)), `${object}: build first`).toBe(true);
    return nm('--defined-only', '-C', object);
  };

  test('leak no weak symbol', () => {
    for (const file of files)
      expect(
        symbols(file).filter((line) => /^[0-9a-f]+ [WVuwv] /.test(line)),
        file,
      ).toEqual([]);
  });

  test('define nothing but their kernels outside themselves', () => {
    for (const file of files) {
      const global = symbols(file).flatMap((line) => / [TDBR] (.*)$/.exec(line)?.slice(1) ?? []);
      expect(
        global.filter((name) => !new RegExp(`__${isas}\\b`).test(name)),
        file,
      ).toEqual([]);
    }
  });

  test('carry a known instruction set in their names', () => {
    const named = filesOf('native', /_(avx|sse|neon|sve|amx)\w*\.cc$/);
    expect(named).toEqual(files);
  });
});

test.runIf(isElf)('the addon shows the process only the entry points of Node-API', () => {
  const names = nm('-D', '--defined-only', 'build/Release/lapidary.node').map((line) => line.split(' ').at(-1));
  expect(names.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
});

test.runIf(isElf)('the addon calls neither V8 nor libuv, and Node-API up to version 9 only', () => {
  const wanted = nm('-D', '--undefined-only', '-C', 'build/Release/lapidary.node').join('\n');
  expect(wanted).not.toMatch(/\bv8::|\bnode::|\buv_/);
  expect(wanted).toMatch(/\bnapi_create_function\b/);
  expect(wanted).not.toMatch(/napi_create_external_(array)?buffer|napi_.*async_work/);
});
