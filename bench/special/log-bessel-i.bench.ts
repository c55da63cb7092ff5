/** log I_v(x) by region, against SciPy's log of its scaled function. */
import { special } from 'lapidary';
import { besselRows } from './regions.js';

export default besselRows('logBesselI', (v, x, out) => special.logBesselI(v, x, { out }));
