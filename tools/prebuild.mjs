// Makes prebuilds/<platform>/lapidary.<libc>.node, the binary that is published, through binding.gyp. node-gyp wipes the
// build folder of its project, which here also holds the development build: so it works on a copy of the native sources
// in build/prebuild, below the repository, where node_modules is found.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stage = join(root, 'build/prebuild');

rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
for (const name of ['package.json', 'binding.gyp', 'native'])
  cpSync(join(root, name), join(stage, name), { recursive: true, preserveTimestamps: true });

// Node's own headers, where this Node brings them, save a download.
const prefix = dirname(dirname(process.execPath));
const headers = existsSync(join(prefix, 'include/node/node_api.h')) ? { npm_config_nodedir: prefix } : {};
// The variable that CMake takes its compiler cache from; node-gyp knows only a compiler.
const launcher = process.env.CMAKE_CXX_COMPILER_LAUNCHER;
const compiler = launcher ? { CXX: `${launcher} c++` } : {};
const run = spawnSync(
  process.execPath,
  [join(root, 'node_modules/prebuildify/bin.js'), '--napi', '--strip', '--tag-libc'],
  {
    cwd: stage,
    stdio: 'inherit',
    env: { ...process.env, ...headers, ...compiler, npm_config_jobs: String(availableParallelism()) },
  },
);
if (run.status !== 0) {
  console.error(`prebuild: prebuildify ended with ${run.status ?? run.signal ?? String(run.error)}`);
  process.exit(1);
}
cpSync(join(stage, 'prebuilds'), join(root, 'prebuilds'), { recursive: true });
