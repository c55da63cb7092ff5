// Formats the C++ files with clang-format; with --check only says, by its status, whether they are formatted.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = ['native', 'test/native'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => /\.(h|cc|cuh|cu)$/.test(name))
    .map((name) => join(folder, name)),
);
const how = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
// The package's own script: npx would ask the registry where it is not installed.
const clangFormat = join(root, 'node_modules/clang-format/index.js');
const run = spawnSync(process.execPath, [clangFormat, ...how, ...files.sort()], { cwd: root, stdio: 'inherit' });
process.exitCode = run.status ?? 1;
