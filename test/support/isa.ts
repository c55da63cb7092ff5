import { afterAll, describe } from 'vitest';
import { cpuInfo } from 'lapidary';
import { native } from '../../dist/core/native.js';

const codes = ['portable', 'avx2', 'avx512', 'avx512vnni', 'avx512vpop', 'neon'];

/** Runs `body` with this instruction set, then goes back to the widest. */
export function withIsa<T>(isa: string, body: () => T): T {
  const best = cpuInfo().isa;
  if (!native.setIsa(codes.indexOf(isa))) throw new Error(`this machine cannot run ${isa}`);
  try {
    return body();
  } finally {
    native.setIsa(codes.indexOf(best));
  }
}

/** One describe block for each instruction set of the host; those it lacks are reported as skipped. */
export function describeEachIsa(name: string, body: (isa: string) => void): void {
  const { supported, isa: best } = cpuInfo();
  for (const isa of codes) {
    describe.runIf(supported.includes(isa))(`${name} [${isa}]`, () => {
      body(isa);
      afterAll(() => void native.setIsa(codes.indexOf(best)));
    });
  }
}
