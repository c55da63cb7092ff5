/** A contender and a row without a library behind them. */
import type { Peer, Row } from '../../bench/harness/row.js';

export function peerOf(name: string, result: ArrayLike<number>, change: Partial<Peer> = {}): Peer {
  return {
    name,
    threads: 1,
    tolerance: 1e-9,
    open: () => ({ version: `${name} 1.0`, result: () => result, sample: () => 1e-3 }),
    ...change,
  };
}

/** A row whose function takes a few microseconds and returns 1, 2, 3. */
export function rowWith(peers: Peer[], change: Partial<Row> = {}): Row {
  return {
    shape: '3',
    dtype: 'f64',
    ...change,
    setup: () => ({ ours: () => Float64Array.of(1, 2, 3), peers }),
  };
}
