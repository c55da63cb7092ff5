import { fileURLToPath } from 'node:url';
import type { Where } from './validate.js';

/** The path that a `file:` URL names on this machine. */
export function filePath(at: Where, argument: string, url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    return at.fail('ERR_DTYPE', argument, 'a file: URL of this machine', `'${url.href}': ${(error as Error).message}`);
  }
}
