/** The mirror: every function of every domain, under its own name and types, returning a promise. */
import type * as lapidary from '../index.js';
import type { Csr, Dense, NumericArray } from '../core/index.js';

/** What an offloaded call takes besides the function's own options. */
export interface OffloadOptions {
  /** aborts the call: the promise rejects with ERR_ABORTED whose `cause` is `signal.reason` */
  signal?: AbortSignal | undefined;
  /** gives the memory of the arguments away instead of copying it; their typed arrays are detached at once */
  move?: boolean | undefined;
}

type AnyFunction = (...args: never) => unknown;
type AnyArray = NumericArray | BigInt64Array | BigUint64Array | Uint8ClampedArray;

// --- Arguments: where the options of the call go ---------------------------------------------------------------------

type IsOptions<L> = [L] extends [object]
  ? [L] extends [AnyFunction | readonly unknown[] | AnyArray]
    ? false
    : true
  : false;
type LastIndex<P extends unknown[]> = Required<P> extends [unknown, ...infer Rest] ? `${Rest['length']}` : never;
type Last<P extends unknown[]> = Required<P> extends [...unknown[], infer L] ? L : never;
type LastIsOptional<P extends unknown[]> = [P['length']] extends [Required<P>['length']] ? false : true;
type MergeIntoLast<P extends unknown[]> = { [I in keyof P]: I extends LastIndex<P> ? P[I] & OffloadOptions : P[I] };

/**
 * The parameters of an offloaded function: its options object takes `signal` and `move` too. Where the last parameter
 * is required, it may be an options object or the data itself, so they may also follow in an object of their own.
 */
type Arguments<P extends unknown[]> = number extends P['length']
  ? P
  : P extends []
    ? [options?: OffloadOptions]
    : IsOptions<Last<P>> extends true
      ? LastIsOptional<P> extends true
        ? MergeIntoLast<P>
        : [...MergeIntoLast<P>, options?: OffloadOptions]
      : [...P, options?: OffloadOptions];

type Signature<P extends unknown[], R> = (...args: Arguments<P>) => Promise<Awaited<R>>;

// --- Type parameters: `f<A extends Real>(a: Dense<A>): Dense<A>` ------------------------------------------------------

/** `X` with every union of typed arrays that has `T` among them narrowed to `T`. */
type Narrow<X, T extends NumericArray> = [Exclude<X, undefined>] extends [NumericArray]
  ? NarrowArray<Exclude<X, undefined>, T> | Extract<X, undefined>
  : NarrowOther<X, T>;
type NarrowArray<X, T extends NumericArray> = [T] extends [X] ? T : X;
type NarrowOther<X, T extends NumericArray> = X extends AnyFunction | AnyArray
  ? X
  : X extends object
    ? keyof X extends keyof Csr
      ? X extends Csr<infer A>
        ? Csr<NarrowArray<A, T> extends infer B extends NumericArray ? B : never>
        : NarrowEach<X, T>
      : keyof X extends keyof Dense
        ? X extends Dense<infer A>
          ? Dense<NarrowArray<A, T> extends infer B extends NumericArray ? B : never>
          : NarrowEach<X, T>
        : NarrowEach<X, T>
    : X;
type NarrowEach<X, T extends NumericArray> = { [K in keyof X]: Narrow<X[K], T> };

/**
 * TypeScript erases the type parameters of a function type it takes apart: A becomes Real, and the result a union. So we
 * narrow parameters and result to one array type, ask whether the function can be called like that, and if so that is a
 * signature of it.
 */
type NarrowSignature<F, P extends unknown[], R, T extends NumericArray> = T extends unknown
  ? NarrowEach<P, T> extends infer Q extends unknown[]
    ? [P] extends [Q]
      ? never // nothing to narrow
      : F extends (...args: Q) => Narrow<R, T>
        ? (signature: Signature<Q, Narrow<R, T>>) => void
        : never
    : never
  : never;
type IntersectionOf<U> = (U extends unknown ? U : never) extends (signature: infer S) => void ? S : never;
type Signatures<F, P extends unknown[], R> = [NarrowSignature<F, P, R, NumericArray>] extends [never]
  ? Signature<P, R>
  : IntersectionOf<NarrowSignature<F, P, R, NumericArray>> & Signature<P, R>;

/** A function of the package as it stands in the pool: same arguments (and `signal`, `move`), promise of the same result. */
export type Offloaded<F> = F extends {
  (...args: infer P1): infer R1;
  (...args: infer P2): infer R2;
  (...args: infer P3): infer R3;
  (...args: infer P4): infer R4;
  (...args: infer P5): infer R5;
  (...args: infer P6): infer R6;
}
  ? Signatures<F, P1, R1> &
      Signatures<F, P2, R2> &
      Signatures<F, P3, R3> &
      Signatures<F, P4, R4> &
      Signatures<F, P5, R5> &
      Signatures<F, P6, R6>
  : never;

/** A namespace of functions, mirrored. */
export type Mirror<N> = { readonly [F in keyof N as N[F] extends AnyFunction ? F : never]: Offloaded<N[F]> };

type Lapidary = typeof lapidary;

/** Every domain that the root package exports. */
export type Domains = {
  readonly [
    D in keyof Lapidary as Lapidary[D] extends AnyFunction | (abstract new (...args: never) => unknown)
      ? never
      : Lapidary[D] extends object
        ? D
        : never
  ]: Mirror<Lapidary[D]>;
};

export type Namespaces = Readonly<Record<string, unknown>>;

/** The functions of the namespaces, each handing its call to `run`; what is no function stays out, as in {@link Domains}. */
export function mirror(
  namespaces: Namespaces,
  run: (domain: string, name: string, args: unknown[]) => Promise<unknown>,
): Readonly<Record<string, Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>>> {
  const domains = Object.entries(namespaces).filter(([, value]) => typeof value === 'object' && value !== null);
  return Object.fromEntries(
    domains.map(([domain, functions]) => {
      const names = Object.entries(functions as object).filter(([, value]) => typeof value === 'function');
      const offloaded = names.map(([name]) => {
        const call = { [name]: (...args: unknown[]) => run(domain, name, args) }[name]!;
        return [name, call] as const;
      });
      return [domain, Object.freeze(Object.fromEntries(offloaded))];
    }),
  );
}
