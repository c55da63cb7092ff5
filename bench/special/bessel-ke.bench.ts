/** The scaled e^x K_v(x), against SciPy's kve. */
import { special } from 'lapidary';
import { slopeRows } from './slopes.js';

export default slopeRows('besselKe', (v, x, out) => special.besselKe(v, x, { out }));
