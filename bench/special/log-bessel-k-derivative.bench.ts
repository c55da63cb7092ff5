/** The derivative of log K_v(x), against SciPy's quotient. */
import { special } from 'lapidary';
import { slopeRows } from './slopes.js';

export default slopeRows('logBesselKDerivative', (v, x, out) => special.logBesselKDerivative(v, x, { out }));
