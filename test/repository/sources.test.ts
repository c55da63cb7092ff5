import { expect, test } from 'vitest';
import { filesOf, readText } from '../support/repository.js';

interface Sources {
  variables: Record<'lapidary_sources' | 'lapidary_binding_sources' | 'lapidary_cflags', string[]>;
}
const { variables } = JSON.parse(readText('native/sources.gypi')) as Sources;
const bytewise = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

test('every native source is listed once, in order, and every listed one exists', () => {
  const onDisk = filesOf('native', /\.cc$/);
  const isBinding = (path: string) => path.startsWith('native/binding/');
  expect(onDisk.length).toBeGreaterThan(5);
  expect(variables.lapidary_binding_sources).toEqual(onDisk.filter(isBinding).sort(bytewise));
  expect(variables.lapidary_sources).toEqual(onDisk.filter((path) => !isBinding(path)).sort(bytewise));
});

test('no build file lets the compiler or the linker break floating-point rules', () => {
  // Linking with -ffast-math (also through -Ofast) makes JavaScript's own denormals zero.
  for (const file of [
    'native/sources.gypi',
    'CMakeLists.txt',
    'binding.gyp',
    'package.json',
    ...filesOf('native', /./),
  ])
    expect(readText(file), file).not.toMatch(/^(?!\s*(\/\/|#\s)).*(-ffast-math|-Ofast|-funsafe-math|fp-model\s*fast)/m);
  expect(variables.lapidary_cflags).toContain('-ffp-contract=off');
});

test('no baseline flag asks for an instruction set: those stand in regions', () => {
  expect(variables.lapidary_cflags.filter((flag) => flag.startsWith('-m'))).toEqual([]);
});

test('no source raises an exception or starts a thread outside the pool', () => {
  for (const file of variables.lapidary_sources) {
    const code = readText(file).replace(/\/\/.*$/gm, '');
    expect(code, file).not.toMatch(/\bthrow\b/);
    if (file !== 'native/core/thread_pool.cc') expect(code, file).not.toMatch(/std::(thread|async|jthread)\s*[({]/);
    expect(code, `${file} knows Node`).not.toMatch(/napi|node_api/);
  }
});
