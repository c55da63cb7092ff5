import { defineConfig } from 'vitest/config';

/** Files that look at a clock or at the load of the machine: one at a time, with nothing else running. */
export const alone = [
  'test/{bench,binding,examples,offload}/**/*.test.ts',
  'test/attention/memory.test.ts',
  'test/gemm/matmul.test.ts',
  'test/io/read-matrix-market.test.ts',
  'test/sparse/spgemm.test.ts',
  'test/sparse/spgemm-clearing.test.ts',
  'test/sparse/spmv-time.test.ts',
];

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 30_000,
    globalSetup: 'test/support/temporary-folder.ts',
    setupFiles: 'test/support/equal-arrays.ts',
    env: { LAPIDARY_TUNE: '' }, // a user's own table would change what is tested
    projects: [
      {
        extends: true,
        test: { name: 'alone', include: alone, fileParallelism: false, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/package/**', ...alone],
          maxWorkers: 2, // each runs kernels on every core
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
