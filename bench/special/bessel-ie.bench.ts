/** The scaled e^−x I_v(x), against SciPy's ive. */
import { special } from 'lapidary';
import { slopeRows } from './slopes.js';

export default slopeRows('besselIe', (v, x, out) => special.besselIe(v, x, { out }));
