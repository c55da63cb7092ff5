import { defineConfig } from 'vitest/config';

// The packed tarball, installed as a stranger installs it: minutes, so not part of `npm test`.
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    pool: 'forks',
    globalSetup: 'test/support/temporary-folder.ts',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
