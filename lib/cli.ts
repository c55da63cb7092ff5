#!/usr/bin/env node
import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { build } from './cli/build.js';
import { doctor } from './cli/doctor.js';
import { info } from './cli/info.js';
import { bench } from './cli/tune.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('lapidary')
  .description('Numerical kernels and the algorithms built on them, for Node.js servers')
  .version(version);

program
  .command('info')
  .description('what this machine can run and what lapidary uses of it')
  .option('--json', 'as JSON')
  .action(async (options: { json?: boolean }) => {
    process.exitCode = await info(options);
  });

program
  .command('doctor')
  .description('checks the installation: which binary is loaded and why, and what is missing')
  .action(async () => {
    process.exitCode = await doctor();
  });

program
  .command('build')
  .description('builds the native addon from the shipped sources (needs a C++20 compiler and cmake)')
  .action(() => {
    process.exitCode = build();
  });

program
  .command('bench')
  .description('measures at which sizes the ways to a product overtake each other here; two or three minutes')
  .option('--tune', 'writes them down for lapidary to use on this machine')
  .option('--out <file>', 'where to, instead of $LAPIDARY_TUNE or ~/.cache/lapidary/tune.json')
  .action(async (options: { tune?: boolean; out?: string }) => {
    process.exitCode = await bench(options);
  });

await program.parseAsync();
