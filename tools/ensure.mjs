// Makes a clone ready to run: installs from the lockfile and builds whatever is missing or stale. Has no dependencies of
// its own, since it runs before there are any; when nothing is to do it only reads file times.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const steps = [
  {
    what: 'dependencies (npm ci)',
    inputs: ['package.json', 'package-lock.json'],
    output: 'node_modules/.package-lock.json',
    stamp: 'node_modules/.lapidary-stamp',
    command: ['npm', ['ci', '--no-audit', '--no-fund']],
  },
  {
    what: 'the native addon (npm run build:native)',
    inputs: ['native', 'CMakeLists.txt', 'package-lock.json'],
    output: 'build/Release/lapidary.node',
    stamp: 'build/.lapidary-stamp',
    command: ['npm', ['run', 'build:native']],
  },
  {
    what: 'the TypeScript (npm run build:ts)',
    inputs: ['lib', 'tsconfig.json', 'package-lock.json'],
    output: 'dist/index.js',
    stamp: 'dist/.lapidary-stamp',
    command: ['npm', ['run', 'build:ts']],
  },
];

/** All files at or below a path, sorted. */
function files(path) {
  const full = join(root, path);
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .sort()
    .flatMap((name) => files(join(path, name)));
}

/** Changes when a file is added, removed or touched. */
function fingerprint(inputs) {
  const hash = createHash('sha256');
  for (const file of inputs.flatMap(files)) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

function read(path) {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}

for (const { what, inputs, output, stamp, command } of steps) {
  const now = fingerprint(inputs);
  if (existsSync(join(root, output)) && read(stamp) === now) continue;
  console.error(`lapidary: making ${what}`);
  const [program, args] = command;
  const shell = process.platform === 'win32'; // npm is a script there
  const run = spawnSync(program, args, { cwd: root, shell, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (run.status !== 0) {
    console.error(`${run.stdout ?? ''}${run.stderr ?? ''}${run.error?.message ?? ''}`);
    console.error(`lapidary: ${program} ${args.join(' ')} failed; the lines above say why`);
    process.exit(run.status ?? 1);
  }
  mkdirSync(dirname(join(root, stamp)), { recursive: true });
  writeFileSync(join(root, stamp), now);
}
