// A child process: throws hostile arguments at every function of the addon itself, past TypeScript. Prints each call
// before it is made, so that the parent knows the last one when this process crashes or hangs; its last line is JSON.
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { LapidaryError, type ErrorCode } from 'lapidary';
import { publicItems, publicScope, runExample } from '../support/examples.js';
import {
  at,
  complaint,
  copyOf,
  errorCodes,
  guardedCopy,
  hostileFor,
  places,
  Recorder,
  replace,
} from '../support/hostile.js';

type Native = Record<string, Record<string, (...args: unknown[]) => unknown>>;
const addon = createRequire(import.meta.url)('../../build/Release/lapidary.node') as Native;
const core = addon.core!;
const original: Native = Object.fromEntries(Object.entries(addon).map(([domain, methods]) => [domain, { ...methods }]));

const recorder = new Recorder();
for (const [domain, methods] of Object.entries(addon))
  for (const [name, fn] of Object.entries(methods)) methods[name] = recorder.wrap(`${domain}.${name}`, fn);
const scope = await publicScope();
for (const { module, examples } of publicItems()) {
  if (module === 'lapidary/offload') continue; // its calls happen in other threads
  for (const example of examples) await runExample(example, scope).catch(() => undefined);
}
for (const [domain, methods] of Object.entries(original)) Object.assign(addon[domain]!, methods);

const failures: string[] = [];
let made = 0;

/** Undoes what the calls of `core` may have set for the whole process. */
function restore(): void {
  core.failAllocation!(-1);
  core.setCancelFlag!(null);
  core.setThreads!(2);
  core.initialize!((code: ErrorCode, fn: string, argument: number, expected: string) => {
    return new LapidaryError(code, { function: fn, argument: `argument ${argument}`, expected });
  });
}

function attempt(domain: string, name: string, what: string, args: unknown[], intact: () => boolean): void {
  const line = `${domain}.${name}: ${what}`;
  writeSync(1, `${line}\n`);
  made++;
  try {
    addon[domain]![name]!(...args);
  } catch (error) {
    const wrong = complaint(error, errorCodes);
    if (wrong) failures.push(`${line}: ${wrong}`);
  }
  if (!intact()) failures.push(`${line}: wrote outside its arrays`);
  if (domain === 'core') restore();
}

for (const [domain, methods] of Object.entries(addon)) {
  for (const name of Object.keys(methods)) {
    const recorded = recorder.calls.get(`${domain}.${name}`)!;
    // Without a recorded call there is still the call without arguments, and one of each kind of array and number.
    const blind = [[], Array.from({ length: 8 }, (_, i) => (i < 4 ? new Float64Array(4) : 2))];
    for (const call of recorded.length > 0 ? recorded : blind) {
      const tries = places(call).flatMap((place) => hostileFor(at(call, place)).map((hostile) => ({ place, hostile })));
      for (const { place, hostile } of tries) {
        const guards: { intact(): boolean }[] = [];
        const args = guardedCopy(call, guards as never) as unknown[];
        replace(args, place, hostile.make());
        const what = `argument ${place.join('.')} is ${hostile.name}`;
        attempt(domain, name, what, args, () => guards.every((guarded) => guarded.intact()));
      }
      for (let i = 0; i < call.length; i++) {
        for (let j = 0; j < call.length; j++) {
          if (i === j || !ArrayBuffer.isView(call[i]) || !ArrayBuffer.isView(call[j])) continue;
          const args = copyOf(call) as Float64Array[];
          args[i] = args[j]!;
          attempt(domain, name, `arguments ${i} and ${j} are one array`, args, () => true);
          const wide = new Uint8Array(args[j]!.byteLength + 64);
          const kind = args[j]!.constructor as typeof Float64Array;
          args[i] = new kind(wide.buffer, 0, args[j]!.length);
          args[j] = new kind(wide.buffer, kind.BYTES_PER_ELEMENT, args[j]!.length);
          attempt(domain, name, `arguments ${i} and ${j} overlap`, args, () => true);
        }
        attempt(domain, name, `only ${i} arguments`, (copyOf(call) as unknown[]).slice(0, i), () => true);
      }
      attempt(
        domain,
        name,
        'twenty arguments too many',
        [...(copyOf(call) as unknown[]), ...Array<number>(30).fill(1)],
        () => true,
      );
    }
  }
}
const unreached = [...recorder.calls].filter(([, calls]) => calls.length === 0).map(([name]) => name);
writeSync(1, `${JSON.stringify({ made, failures, unreached })}\n`);
