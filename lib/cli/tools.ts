import { spawnSync } from 'node:child_process';

const runs = (program: string): boolean =>
  spawnSync(program, ['--version'], { stdio: 'ignore', shell: process.platform === 'win32' }).status === 0;

/** What a build needs and this machine lacks, each with how to get it. */
export function missingTools(): string[] {
  const missing: string[] = [];
  const compilers = [process.env.CXX ?? '', 'c++', 'g++', 'clang++'].filter((name) => name !== '');
  if (!compilers.some(runs))
    missing.push('a C++20 compiler (Debian, Ubuntu: apt install g++; macOS: xcode-select --install)');
  if (!runs('cmake'))
    missing.push('cmake 3.20 or newer (Debian, Ubuntu: apt install cmake; macOS: brew install cmake)');
  if (!runs('make') && !runs('ninja')) missing.push('make or ninja (Debian, Ubuntu: apt install make)');
  return missing;
}
