/** log K_v(x) by region, against SciPy's log of its scaled function. */
import { special } from 'lapidary';
import { besselRows } from './regions.js';

export default besselRows('logBesselK', (v, x, out) => special.logBesselK(v, x, { out }));
