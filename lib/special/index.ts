export type { BesselArgument, BesselOptions } from './bessel.js';
export { logBesselI } from './log-bessel-i.js';
export { logBesselK } from './log-bessel-k.js';
export { besselIRatio } from './bessel-i-ratio.js';
export { vmfFit, type VmfFit, type VmfFitOptions } from './vmf-fit.js';
export { vmfLogPdf } from './vmf-log-pdf.js';
