import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { missingTools } from './tools.js';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** `lapidary build`: cmake-js on the shipped sources, into build/Release; returns the exit status. */
export function build(): number {
  const missing = missingTools();
  if (missing.length > 0) {
    console.error(`lapidary build: this machine lacks\n${missing.map((tool) => `  ${tool}`).join('\n')}`);
    return 1;
  }
  const cmakeJs = require.resolve('cmake-js/bin/cmake-js');
  const { status, error } = spawnSync(process.execPath, [cmakeJs, 'build', '--directory', root, '--parallel', '2'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status === 0) {
    console.log(`lapidary build: ${root}build/Release/lapidary.node will be used from now on`);
    return 0;
  }
  console.error(
    `lapidary build: cmake-js ended with ${status ?? error?.message ?? 'a signal'}; the lines above say why`,
  );
  return 1;
}
