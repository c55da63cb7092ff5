/**
 * Loads the native addon: a binary built on this machine (`npx lapidary build`) first, since somebody asked for it, then
 * the published one by a static require, then whatever node-gyp-build finds. Nothing is ever downloaded.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { LapidaryError, type ErrorCode } from './errors.js';
import prebuilt from './prebuilt.cjs';
import { loadTuning, type TuningNative } from './tuning.js';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../', import.meta.url));

type MakeError = (code: ErrorCode, fn: string, argument: number | string, expected: string, got: string) => Error;

interface Addon {
  core: { initialize(makeError: MakeError): void } & TuningNative;
  [domain: string]: unknown;
}

interface Candidate {
  name: string;
  open(): unknown;
}

/** Where the addon was found, for `lapidary doctor`. */
export let addonSource = '';

const candidates: Candidate[] = [
  {
    name: 'own build (build/Release/lapidary.node)',
    open() {
      const file = `${root}build/Release/lapidary.node`;
      if (!existsSync(file)) throw new Error('not there');
      return require(file) as unknown;
    },
  },
  { name: 'published binary (prebuilds/)', open: prebuilt.requirePrebuilt },
  { name: 'node-gyp-build', open: () => (require('node-gyp-build') as (dir: string) => unknown)(root) },
];

function open(): Addon {
  const failures: string[] = [];
  for (const candidate of candidates) {
    try {
      const addon = candidate.open() as Addon;
      addonSource = candidate.name;
      return addon;
    } catch (error) {
      failures.push(`  ${candidate.name}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new LapidaryError('ERR_NATIVE_LOAD', {
    function: 'lapidary',
    expected: `a native binary for ${process.platform}-${process.arch}, Node ${process.version}`,
    got: [
      'none that loads',
      ...failures,
      `  in ${root}prebuilds: ${published()}`,
      `Build one from the shipped sources: npx lapidary build`,
    ].join('\n'),
  });
}

function published(): string {
  try {
    return readdirSync(`${root}prebuilds`).join(', ');
  } catch {
    return 'nothing';
  }
}

const addon = open();
addon.core.initialize((code, fn, argument, expected, got) => {
  const name = typeof argument === 'string' ? argument : argument >= 0 ? `argument ${argument}` : undefined;
  return new LapidaryError(code, { function: fn, expected, ...(name && { argument: name }), ...(got && { got }) });
});
loadTuning(addon.core);

/** The native functions of one domain. */
export function load<T>(domain: string): T {
  return addon[domain] as T;
}
