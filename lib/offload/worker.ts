/** What a worker thread of a pool loads. */
import * as lapidary from '../index.js';
import { serve } from './serve.js';

export default serve(lapidary);
