import { describe, expect, test } from 'vitest';
import { dense, type Dense, type Real } from 'lapidary';
import {
  plstm1d,
  plstm2d,
  plstm2dBackward,
  plstmDag,
  plstmDagBackward,
  plstmGates,
  type Plstm2dGates,
  type Plstm2dState,
} from 'lapidary/recurrence';
import { native } from '../../dist/recurrence/scan-native.js';
import { raiseAbort, withCancelFlag } from '../../dist/core/cancel.js';
import { withCode } from '../support/errors.js';
import { describeEachIsa, withIsa } from '../support/isa.js';
import { dagOracle, gridGraph, withoutDirect } from '../support/plstm.js';
import {
  distance,
  expectGradient,
  expectSameBits,
  randomDense,
  rowsOf,
  sameForAnyThreads,
  types,
  weighted,
  withoutMemory,
  type RealType,
} from '../support/recurrence.js';

const names = ['sourceRight', 'sourceDown', 'rightFromLeft', 'rightFromUp', 'downFromUp', 'downFromLeft', 'markLeft', 'markUp', 'direct'] as const; // prettier-ignore

const randomGates = (type: RealType, nodes: number, heads: number, seed = 20, limit = 0.7) =>
  Object.fromEntries(names.map((name, i) => [name, randomDense(type, nodes, heads, seed + i, -limit, limit)])) as unknown as Plstm2dGates<Real>; // prettier-ignore

const inputs = (type: RealType, nodes: number, dk: number, dv: number, seed = 1) => ({
  q: randomDense(type, nodes, dk, seed),
  k: randomDense(type, nodes, dk, seed + 1),
  v: randomDense(type, nodes, dv, seed + 2),
});

const ones = (rows: number) => dense(rows, 1, new Float64Array(rows).fill(1));
const allOnes = (nodes: number) => Object.fromEntries(names.slice(0, 8).map((name) => [name, ones(nodes)])) as unknown as Plstm2dGates<Float64Array>; // prettier-ignore

/** The rows of `m` in the order in which a flipped grid has them. */
function flipped(m: Dense<Real>, height: number, width: number, rows: boolean, columns: boolean): Dense<Real> {
  const data = m.data.slice();
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = ((rows ? height - 1 - y : y) * width + (columns ? width - 1 - x : x)) * m.cols;
      data.set(m.data.subarray(from, from + m.cols), (y * width + x) * m.cols);
    }
  return { ...m, data };
}

const binomial = (n: number, k: number): number => (k === 0 ? 1 : (binomial(n, k - 1) * (n - k + 1)) / k);

describeEachIsa('plstm2d', (isa) => {
  test.each(types)('%o: agrees with the graph of the grid, with states at the rim, of any size', (type) => {
    const tolerance = type === Float32Array ? 5e-6 : 1e-13;
    for (const [height, width, dk, dv] of [
      [1, 1, 2, 3],
      [3, 5, 4, 7],
      [7, 2, 9, 33],
      [5, 6, 16, 70],
    ] as const) {
      const net = inputs(type, height * width, dk, dv);
      const gates = randomGates(type, height * width, 1);
      const state = { rows: randomDense(type, height * dk, dv, 40), columns: randomDense(type, width * dk, dv, 41) };
      const got = withIsa(isa, () => plstm2d(net.q, net.k, net.v, gates, { height, width, state }));
      const grid = gridGraph(height, width, gates);
      const before = { rows: (height + width) * dk, cols: dv, data: type.from([...state.rows.data, ...state.columns.data]) } as Dense<Real>; // prettier-ignore
      const expected = dagOracle(net, grid.gates, grid.graph, before);
      expect(distance(got.out.data, expected.out)).toBeLessThan(tolerance);
      expect(distance([...got.state.rows.data, ...got.state.columns.data], expected.state)).toBeLessThan(tolerance);
      const dag = withIsa(isa, () => plstmDag(net.q, net.k, net.v, grid.gates, grid.graph, { state: before }));
      expect(distance(dag.out.data, got.out.data)).toBeLessThan(tolerance);
    }
  });

  test('with ones everywhere a node counts the lattice paths that end in it', () => {
    const [height, width] = [6, 9];
    const q = ones(height * width);
    // A source only in the first node: what reaches (y, x) is the number of monotone paths, a binomial.
    const only = dense(height * width, 1);
    only.data[0] = 1;
    const single = { ...allOnes(height * width), sourceRight: only, sourceDown: only };
    const { out } = withIsa(isa, () => plstm2d(q, q, q, single, { height, width }));
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) expect(out.data[y * width + x]).toBe(y + x === 0 ? 0 : binomial(y + x, x));
    // All sources: the sum over all starts.
    const all = withIsa(isa, () => plstm2d(q, q, q, allOnes(height * width), { height, width })).out;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let a = 0; a <= y; a++) for (let b = 0; b <= x; b++) sum += binomial(y - a + x - b, x - b);
        expect(all.data[y * width + x]).toBe(sum - 1);
      }
  });

  test('1 × N and N × 1 are the sequence', () => {
    const n = 40;
    const net = inputs(Float64Array, n, 2 * 5, 2 * 7);
    const gates = randomGates(Float64Array, n, 2);
    const lines = [
      [1, n, 'sourceRight', 'rightFromLeft', 'markLeft', 'rows'],
      [n, 1, 'sourceDown', 'downFromUp', 'markUp', 'columns'],
    ] as const;
    for (const [height, width, source, transition, mark, side] of lines) {
      // nothing comes in from across, and marks of what turns there are 0
      const zero = dense(n, 2);
      const across = side === 'rows' ? { markUp: zero, rightFromUp: zero } : { markLeft: zero, downFromLeft: zero };
      const got = withIsa(isa, () =>
        plstm2d(net.q, net.k, net.v, { ...gates, ...across }, { height, width, heads: 2 }),
      );
      const sequence = {
        source: gates[source],
        transition: gates[transition],
        mark: gates[mark],
        direct: gates.direct!,
      };
      const expected = plstm1d(net.q, net.k, net.v, sequence, { heads: 2 });
      expect(distance(got.out.data, expected.out.data)).toBeLessThan(1e-13);
      expect(distance(got.state[side].data, expected.state.data)).toBeLessThan(1e-13);
    }
  });

  test('the four corners are flips; images and heads are apart; any threads', () => {
    const [height, width, dk, dv] = [5, 7, 8, 12];
    const nodes = height * width;
    const net = inputs(Float32Array, nodes, 2 * dk, 2 * dv);
    const gates = randomGates(Float32Array, nodes, 2);
    withIsa(isa, () => {
      for (const [corner, rows, columns] of [
        ['top-left', false, false],
        ['top-right', false, true],
        ['bottom-left', true, false],
        ['bottom-right', true, true],
      ] as const) {
        const flip = (m: Dense<Real>) => flipped(m, height, width, rows, columns);
        const got = plstm2d(net.q, net.k, net.v, gates, { height, width, heads: 2, corner });
        const turned = Object.fromEntries(names.map((name) => [name, flip(gates[name]!)])) as unknown as Plstm2dGates<Real>; // prettier-ignore
        const expected = plstm2d(flip(net.q), flip(net.k), flip(net.v), turned, { height, width, heads: 2 });
        expectSameBits(flip(got.out).data, expected.out.data);
      }
      const pair = (m: Dense<Real>) => ({ rows: 2 * m.rows, cols: m.cols, data: Float32Array.from([...m.data, ...m.data]) }) as Dense<Real>; // prettier-ignore
      const one = plstm2d(net.q, net.k, net.v, gates, { height, width, heads: 2 });
      const doubled = Object.fromEntries(names.map((name) => [name, pair(gates[name]!)])) as unknown as Plstm2dGates<Real>; // prettier-ignore
      const two = plstm2d(pair(net.q), pair(net.k), pair(net.v), doubled, { height, width, heads: 2 });
      expectSameBits(two.out.data, pair(one.out).data);
      expectSameBits(two.state.columns.data, pair(one.state.columns).data);

      const large = inputs(Float32Array, 144, 2 * 64, 2 * 100);
      const wide = randomGates(Float32Array, 144, 2);
      sameForAnyThreads(() => {
        const { out, state } = plstm2d(large.q, large.k, large.v, wide, { height: 12, width: 12, heads: 2 });
        return [out.data, state.rows.data, state.columns.data];
      });
    });
  });

  test('a grid cut into bands goes on from its states with the bits of the whole', () => {
    const [height, width, dk, dv] = [6, 5, 8, 10];
    const net = inputs(Float32Array, height * width, dk, dv);
    const gates = randomGates(Float32Array, height * width, 1);
    withIsa(isa, () => {
      const whole = plstm2d(net.q, net.k, net.v, gates, { height, width });
      const band = (from: number, to: number, state?: Plstm2dState<Real>) => {
        const cut = (m: Dense<Real>) => rowsOf(m, from * width, to * width);
        const part = Object.fromEntries(names.map((name) => [name, cut(gates[name]!)])) as unknown as Plstm2dGates<Real>; // prettier-ignore
        return plstm2d(cut(net.q), cut(net.k), cut(net.v), part, { height: to - from, width, ...(state && { state }) });
      };
      const top = band(0, 2);
      const zeros = { rows: 4 * dk, cols: dv, data: new Float32Array(4 * dk * dv) } as Dense<Real>;
      const bottom = band(2, 6, { rows: zeros, columns: top.state.columns });
      expectSameBits(top.out.data, rowsOf(whole.out, 0, 2 * width).data);
      expectSameBits(bottom.out.data, rowsOf(whole.out, 2 * width, 6 * width).data);
      expectSameBits(bottom.state.columns.data, whole.state.columns.data);
    });
  });

  test('P-mode conserves what enters, for any T', () => {
    const [height, width] = [9, 13];
    const nodes = height * width;
    const of = (seed: number) => randomDense(Float64Array, nodes, 1, seed, -2, 2);
    const gates = plstmGates({ mode: 'P', orientation: of(1), source: of(2), transition: of(3), mark: of(4) });
    const v = randomDense(Float64Array, nodes, 3, 5);
    const q = ones(nodes);
    const { state } = withIsa(isa, () => plstm2d(q as Dense<Real>, q as Dense<Real>, v, gates, { height, width }));
    // Each node's v enters once (its two sources sum to 1), and all of it leaves at the far sides.
    for (let c = 0; c < 3; c++) {
      const total = (x: Dense<Real>) => {
        let sum = 0;
        for (let i = c; i < x.data.length; i += 3) sum += x.data[i]!;
        return sum;
      };
      expect(Math.abs(total(state.rows) + total(state.columns) - total(v))).toBeLessThan(1e-10);
    }
    // with 0 ≤ α·T, α·S ≤ 1 nothing grows
    const positive = (seed: number) => randomDense(Float64Array, nodes, 1, seed, 0, 1);
    const tame = plstmGates({ mode: 'P', orientation: of(1), source: positive(2), transition: positive(3), mark: ones(nodes) }); // prettier-ignore
    const { out } = withIsa(isa, () => plstm2d(q as Dense<Real>, q as Dense<Real>, q as Dense<Real>, tame, { height, width })); // prettier-ignore
    for (const y of out.data) expect(y).toBeLessThanOrEqual(nodes);
  });

  test('P-mode shares out by orientation: the complement is of α·T, not (1 − α)·T', () => {
    const of = (...x: number[]) => dense(x.length, 1, Float64Array.from(x));
    const orientation = of(0, Math.log(3), -Math.log(4), 800, -800); // α = 1/2, 3/4, 1/5, 1, 0
    const [source, transition, mark] = [of(0.5, 2, 1, 0.3, 0.3), of(0.8, -1, 0.5, 0.7, 0.7), of(1, 2, 3, 4, 5)];
    const gates = plstmGates({ mode: 'P', orientation, source, transition, mark });
    const near = (got: Dense, ...want: number[]) =>
      want.forEach((x, i) => expect(Math.abs(got.data[i]! - x)).toBeLessThan(1e-15));
    near(gates.sourceRight, 0.25, 1.5, 0.2, 0.3, 0);
    near(gates.sourceDown, 0.75, -0.5, 0.8, 0.7, 1);
    for (const right of [gates.rightFromLeft, gates.rightFromUp!]) near(right, 0.4, -0.75, 0.1, 0.7, 0);
    for (const down of [gates.downFromUp, gates.downFromLeft!]) near(down, 0.6, 1.75, 0.9, 0.3, 1);
    for (const side of [gates.markLeft, gates.markUp]) expect(side.data).toEqual(mark.data);
  });

  test('D-mode: one path at most between two nodes, either way round', () => {
    const [height, width] = [6, 8];
    const n = ones(height * width);
    for (const chirality of ['L', 'R'] as const) {
      const gates = plstmGates({ mode: 'D', chirality, sourceRight: n, sourceDown: n, transitionRight: n, transitionDown: n, turn: n, markLeft: n, markUp: n }); // prettier-ignore
      expect(Object.keys(gates).includes('downFromLeft')).toBe(chirality === 'R');
      const { out } = withIsa(isa, () => plstm2d(n, n, n, gates, { height, width }));
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) expect(out.data[y * width + x]).toBe((y + 1) * (x + 1) - 1);
    }
  });

  test('NaN reaches the nodes right of and below its own only', () => {
    const [height, width] = [5, 6];
    const net = inputs(Float32Array, height * width, 4, 20);
    net.k.data[(2 * width + 3) * 4] = NaN;
    const gates = withoutDirect(randomGates(Float32Array, height * width, 1));
    const { out } = withIsa(isa, () => plstm2d(net.q, net.k, net.v, gates, { height, width }));
    out.data.forEach((y, i) => {
      const [row, col] = [Math.floor(i / 20 / width), Math.floor(i / 20) % width];
      expect(Number.isNaN(y)).toBe(row >= 2 && col >= 3 && row + col > 5);
    });
  });
});

describe('arguments', () => {
  const { q, k, v } = inputs(Float32Array, 12, 2, 3);
  const gates = randomGates(Float32Array, 12, 1);
  test('what does not fit is refused', () => {
    const size = { height: 3, width: 4 };
    expect(() => plstm2d(q, k, v, gates, { height: 3, width: 5 })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm2d(q, k, v, gates, { height: 0, width: 5 })).toThrow(withCode('ERR_RANGE'));
    expect(() => plstm2d(q, k, v, gates, undefined as never)).toThrow(withCode('ERR_DTYPE'));
    expect(() => plstm2d(q, k, v, { ...gates, markUp: undefined } as never, size)).toThrow(withCode('ERR_DTYPE'));
    expect(() => plstm2d(q, k, v, { ...gates, markUp: q }, size)).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm2d(q, k, v, gates, { ...size, corner: 'left' as never })).toThrow(withCode('ERR_OPTION'));
    expect(() => plstm2d(q, k, v, gates, { ...size, chunk: 3 } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => plstm2d(q, k, v, gates, { ...size, state: { rows: q, columns: q } })).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm2d(q, k, v, gates, { ...size, out: v })).toThrow(withCode('ERR_ALIAS'));
    expect(() => plstmGates({ mode: 'Q' } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => plstmGates({ mode: 'P', orientation: q, source: v } as never)).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstmGates({ mode: 'D', chirality: 'X' } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => plstmGates({ mode: 'D', source: q } as never)).toThrow(withCode('ERR_OPTION'));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => plstm2d(q, k, v, gates, size))).toThrow(/aborted/);
    const raw = native.plstm2d as (...args: unknown[]) => void;
    expect(() => raw(...Array<unknown>(17).fill(undefined), 1, 3, 0, 1, 2, 3, 0)).toThrow(withCode('ERR_DTYPE'));
  });
});

describe('plstm2dBackward', () => {
  const rim = (type: RealType, images: number, heads: number, height: number, width: number, dk: number, dv: number, seed: number) => ({ rows: randomDense(type, images * heads * height * dk, dv, seed), columns: randomDense(type, images * heads * width * dk, dv, seed + 1) }); // prettier-ignore

  test('agrees with finite differences in f64, from every corner', () => {
    for (const [images, height, width, heads, dk, dv, corner] of [
      [1, 1, 1, 1, 2, 3, 'top-left'],
      [2, 3, 4, 2, 3, 5, 'bottom-right'],
      [1, 4, 3, 1, 2, 67, 'top-right'],
      [1, 5, 2, 2, 4, 2, 'bottom-left'],
    ] as const) {
      const nodes = images * height * width;
      const net = inputs(Float64Array, nodes, heads * dk, heads * dv);
      const gates = randomGates(Float64Array, nodes, heads);
      const state = rim(Float64Array, images, heads, height, width, dk, dv, 40);
      const dstate = rim(Float64Array, images, heads, height, width, dk, dv, 42);
      const dout = randomDense(Float64Array, nodes, heads * dv, 44);
      const options = { height, width, heads, corner, state };
      const loss = () => {
        const forward = plstm2d(net.q, net.k, net.v, gates, options);
        return weighted([dout, forward.out], [dstate.rows, forward.state.rows], [dstate.columns, forward.state.columns]); // prettier-ignore
      };
      const g = plstm2dBackward(dout, net.q, net.k, net.v, gates, { ...options, dstate });
      expectGradient(net.q, g.dq, loss);
      expectGradient(net.k, g.dk, loss);
      expectGradient(net.v, g.dv, loss);
      for (const name of names) expectGradient(gates[name]!, g.dgates[name]!, loss);
      expectGradient(state.rows, g.dstate.rows, loss);
      expectGradient(state.columns, g.dstate.columns, loss);
    }
  });

  test('gates that are left out have no gradient, and count as zeros', () => {
    const [height, width] = [4, 5];
    const net = inputs(Float64Array, 20, 3, 4);
    const { direct, rightFromUp, ...gates } = randomGates(Float64Array, 20, 1);
    const zero = { ...direct!, data: new Float64Array(20) } as Dense<Real>;
    const dout = randomDense(Float64Array, 20, 4, 9);
    const few = plstm2dBackward(dout, net.q, net.k, net.v, gates, { height, width });
    const all = plstm2dBackward(dout, net.q, net.k, net.v, { ...gates, direct: zero, rightFromUp: zero }, { height, width }); // prettier-ignore
    expect(rightFromUp!.rows).toBe(20);
    expect(Object.keys(few.dgates).sort()).toEqual(names.filter((n) => n !== 'direct' && n !== 'rightFromUp').sort());
    for (const name of ['dq', 'dk', 'dv'] as const) expectSameBits(few[name].data, all[name].data);
  });

  describeEachIsa('on each instruction set', (isa) => {
    test('is the gradient of the grid as a graph; f32 agrees with f64; any threads; in bands the same', () => {
      // so wide that its states are computed again in several bands of rows
      const [height, width, dk, dv] = [12, 40, 32, 66];
      const net = inputs(Float64Array, height * width, dk, dv);
      const gates = randomGates(Float64Array, height * width, 1, 20, 0.5);
      const dout = randomDense(Float64Array, height * width, dv, 9);
      const dstate = rim(Float64Array, 1, 1, height, width, dk, dv, 42);
      withIsa(isa, () => {
        const got = plstm2dBackward(dout, net.q, net.k, net.v, gates, { height, width, dstate });
        const grid = gridGraph(height, width, gates);
        const after = { rows: (height + width) * dk, cols: dv, data: Float64Array.of(...dstate.rows.data, ...dstate.columns.data) }; // prettier-ignore
        const dag = plstmDagBackward(dout, net.q, net.k, net.v, grid.gates, grid.graph, { dstate: after });
        for (const name of ['dq', 'dk', 'dv'] as const)
          expect(distance(got[name].data, dag[name].data)).toBeLessThan(1e-12);
        expect(distance(got.dgates.direct!.data, dag.ddirect!.data)).toBeLessThan(1e-12);
        expect(
          distance([...got.dstate.rows.data, ...got.dstate.columns.data], Array.from(dag.dstate.data)),
        ).toBeLessThan(1e-12);

        const narrow = (m: Dense<Real>) => ({ ...m, data: Float32Array.from(m.data) }) as Dense<Real>;
        const small = Object.fromEntries(names.map((name) => [name, narrow(gates[name]!)])) as unknown as Plstm2dGates<Real>; // prettier-ignore
        const single = plstm2dBackward(narrow(dout), narrow(net.q), narrow(net.k), narrow(net.v), small, { height, width, dstate: { rows: narrow(dstate.rows), columns: narrow(dstate.columns) } }); // prettier-ignore
        for (const name of ['dq', 'dk', 'dv'] as const)
          expect(distance(single[name].data, got[name].data)).toBeLessThan(5e-6);
        for (const name of names)
          expect(distance(single.dgates[name]!.data, got.dgates[name]!.data)).toBeLessThan(5e-6);

        const cut = (m: Dense<Real>, from: number, to: number) => rowsOf(m, from * width, to * width);
        const part = (from: number, to: number) => Object.fromEntries(names.map((name) => [name, cut(gates[name]!, from, to)])) as unknown as Plstm2dGates<Real>; // prettier-ignore
        const band = (from: number, to: number, columns: Dense<Real>, before?: Plstm2dState<Real>) =>
          plstm2dBackward(cut(dout, from, to), cut(net.q, from, to), cut(net.k, from, to), cut(net.v, from, to), part(from, to), { height: to - from, width, dstate: { rows: rowsOf(dstate.rows, from * dk, to * dk), columns }, ...(before && { state: before }) }); // prettier-ignore
        const top = plstm2d(cut(net.q, 0, 5), cut(net.k, 0, 5), cut(net.v, 0, 5), part(0, 5), { height: 5, width });
        const zeros = { rows: 7 * dk, cols: dv, data: new Float64Array(7 * dk * dv) } as Dense<Real>;
        const lower = band(5, 12, dstate.columns, { rows: zeros, columns: top.state.columns });
        const upper = band(0, 5, lower.dstate.columns);
        for (const name of ['dq', 'dk', 'dv'] as const) {
          expectSameBits(upper[name].data, cut(got[name], 0, 5).data);
          expectSameBits(lower[name].data, cut(got[name], 5, 12).data);
        }
        expectSameBits(upper.dstate.columns.data, got.dstate.columns.data);
      });
    });

    test('any threads, images and heads', () => {
      const large = inputs(Float32Array, 2 * 64, 2 * 32, 2 * 100);
      const gates = randomGates(Float32Array, 2 * 64, 2);
      withIsa(isa, () =>
        sameForAnyThreads(() => {
          const g = plstm2dBackward(large.v, large.q, large.k, large.v, gates, { height: 8, width: 8, heads: 2 });
          return [g.dq, g.dk, g.dv, g.dstate.rows, ...Object.values(g.dgates)].map((m) => (m as Dense<Real>).data);
        }),
      );
    });
  });

  test('what does not fit is refused; no memory; aborted', () => {
    const { q, k, v } = inputs(Float32Array, 12, 2, 3);
    const gates = randomGates(Float32Array, 12, 1);
    const size = { height: 3, width: 4 };
    expect(() => plstm2dBackward(q, q, k, v, gates, size)).toThrow(withCode('ERR_SHAPE'));
    expect(() => plstm2dBackward(v, q, k, v, gates, { ...size, out: v } as never)).toThrow(withCode('ERR_OPTION'));
    expect(() => plstm2dBackward(v, q, k, v, gates, { ...size, dstate: { rows: q, columns: q } })).toThrow(withCode('ERR_SHAPE')); // prettier-ignore
    expect(() => plstm2dBackward(v, q, k, v, gates, { ...size, dstate: null } as never)).toThrow(withCode('ERR_DTYPE'));
    withoutMemory(() => plstm2dBackward(v, q, k, v, gates, size));
    const flag = new Int32Array(new SharedArrayBuffer(4));
    raiseAbort(flag);
    expect(() => withCancelFlag(flag, () => plstm2dBackward(v, q, k, v, gates, size))).toThrow(/aborted/);
  });
});
