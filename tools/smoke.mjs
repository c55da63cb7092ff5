// Runs test/support/smoke.mjs under each Node that test/node-versions/package.json names.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'test/node-versions');
const { optionalDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

if (`${process.platform}-${process.arch}` !== 'linux-x64') {
  console.error('smoke: these binaries of Node are for linux-x64 only');
  process.exit(1);
}
const run = (program, args, cwd) => spawnSync(program, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] }).status;
const binaries = Object.keys(optionalDependencies).map((name) => join(folder, 'node_modules', name, 'bin/node'));
if (!binaries.every(existsSync) && run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], folder) !== 0)
  process.exit(1);
for (const binary of binaries) {
  if (run(binary, ['test/support/smoke.mjs'], root) === 0) continue;
  console.error(`smoke: failed under ${binary}`);
  process.exit(1);
}
