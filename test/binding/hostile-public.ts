// A child process: throws hostile arguments at every public function. Prints each call before it is made; its last line
// is JSON.
import { mkdtempSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as lapidary from 'lapidary';
import { publicItems, publicScope, runExample } from '../support/examples.js';
import { at, complaint, errorCodes, guardedCopy, hostileFor, places, Recorder, replace } from '../support/hostile.js';

process.chdir(mkdtempSync(join(tmpdir(), 'lapidary-hostile-'))); // writers may be called with any path
const scope = await publicScope();
// Pools of workers have tests of their own: each call here would start threads.
const items = publicItems().filter(({ module, isFunction }) => isFunction && module !== 'lapidary/offload');
const recorder = new Recorder();
const wrapped = { ...scope };
for (const { name } of items) wrapped[name] = recorder.wrap(name, scope[name] as () => unknown);
for (const [namespace, functions] of Object.entries(lapidary))
  // A function may bear the name of its namespace (softmax); alone, the name means the function.
  if (Object.prototype.toString.call(functions) === '[object Module]' && !items.some(({ name }) => name === namespace))
    wrapped[namespace] = Object.fromEntries(Object.keys(functions).map((name) => [name, wrapped[name]]));
for (const { examples } of items) for (const example of examples) await runExample(example, wrapped);

const failures: string[] = [];
let made = 0;
let halted = '';

async function attempt(name: string, what: string, args: unknown[], intact = () => true): Promise<void> {
  const line = `${name}: ${what}`;
  writeSync(1, `${line}\n`);
  made++;
  halted = line;
  try {
    await (scope[name] as (...args: unknown[]) => unknown)(...args);
  } catch (error) {
    const wrong = complaint(error, errorCodes);
    if (wrong) failures.push(`${line}: ${wrong}`);
  }
  if (!intact()) failures.push(`${line}: wrote outside its arrays`);
}

process.on('exit', () => {
  const unreached = [...recorder.calls].filter(([, calls]) => calls.length === 0).map(([name]) => name);
  writeSync(1, `${JSON.stringify({ made, failures, unreached, halted })}\n`);
});

for (const [name, calls] of recorder.calls) {
  await attempt(name, 'no arguments', []);
  await attempt(name, 'eight times null', Array<null>(8).fill(null));
  for (const call of calls) {
    for (const place of places(call)) {
      for (const hostile of hostileFor(at(call, place))) {
        if (hostile.name === String(2 ** 31)) continue; // a lawful size of many gigabytes
        const guards: { intact(): boolean }[] = [];
        const args = guardedCopy(call, guards as never) as unknown[];
        replace(args, place, hostile.make());
        const what = `argument ${place.join('.')} is ${hostile.name}`;
        await attempt(name, what, args, () => guards.every((guarded) => guarded.intact()));
      }
    }
    // An options object after the last argument: unknown keys, and null in its place.
    await attempt(name, 'a misspelt option', [...call, { misspelt: 1 }]);
    await attempt(name, 'null for options', [...call, null]);
  }
}
lapidary.setThreads(1);
halted = '';
