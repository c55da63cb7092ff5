import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/package/**'],
    pool: 'forks', // kernels use every core: one file at a time keeps timings of progress and abort meaningful
    fileParallelism: false,
    testTimeout: 30_000,
    env: { LAPIDARY_TUNE: '' }, // a user's own table would change what is tested
  },
});
