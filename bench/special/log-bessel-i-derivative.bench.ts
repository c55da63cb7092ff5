/** The derivative of log I_v(x), against SciPy's quotient. */
import { special } from 'lapidary';
import { slopeRows } from './slopes.js';

export default slopeRows('logBesselIDerivative', (v, x, out) => special.logBesselIDerivative(v, x, { out }));
