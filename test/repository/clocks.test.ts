import { expect, test } from 'vitest';
import { alone } from '../../vitest.config.js';
import { filesOf, readText } from '../support/repository.js';

test('a test that looks at a clock runs alone', () => {
  const timed = filesOf('test', /\.test\.ts$/).filter((path) =>
    /performance\.now|hrtime[.(]|Date\.now/.test(readText(path)),
  );
  expect(timed.length).toBeGreaterThan(3);
  const folders = /^test\/(bench|binding|examples|offload|package)\//;
  expect(timed.filter((path) => !folders.test(path) && !alone.includes(path))).toEqual([]);
});
