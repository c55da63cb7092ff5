import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const node = Object.fromEntries(
  ['AbortController', 'Buffer', 'URL', 'console', 'performance', 'process', 'setImmediate', 'setTimeout'].map(
    (name) => [name, 'readonly'],
  ),
);

export default defineConfig(
  globalIgnores(['build', 'dist', 'docs/api', 'prebuilds', '**/node_modules', '.cache']),
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  { files: ['**/*.{js,mjs,cjs}'], languageOptions: { globals: node } },
  {
    files: ['**/*.{ts,cts,mts}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: ['tsconfig.json', 'tsconfig.check.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // Indices that are in range by construction are asserted (`a[i]!`): noUncheckedIndexedAccess makes each one visible.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Numerical loops read better with an index than with entries().
      '@typescript-eslint/prefer-for-of': 'off',
      // `void call()` in an arrow function says that the value is dropped on purpose.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // `Csr<Float64Array>` says more than `Csr`.
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      // A callback that returns false or nothing.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // `load<T>(domain)`: the type of what the addon holds is stated by the one who asks.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Values are plain objects; their functions use no `this`.
      '@typescript-eslint/unbound-method': 'off',
      // At a public boundary types are a promise, not a proof: callers in JavaScript break it, and tests do so on purpose.
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    // Matchers of vitest are typed `any`.
    rules: { '@typescript-eslint/no-unsafe-return': 'off', '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    files: ['lib/**/*.cts'],
    // The one CommonJS file: bundlers follow `require` with a literal path, not createRequire.
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
