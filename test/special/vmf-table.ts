import { readText } from '../support/repository.js';

interface VmfTable {
  entropy: [p: number, kappa: number, exact: string][];
  kl: [p: number, kappa1: number, kappa2: number, cosine: number, exact: string][];
  scipy: [p: number, kappa: number, entropy: number, logPdf: number][];
}

/** What vmf_table.py wrote. */
export const vmfTable = JSON.parse(readText('test/special/vmf_table.json')) as VmfTable;
