"""Draws spgemm_compression.svg, GFLOPS of spgemm and of SciPy's A @ A (rows left unsorted) against the compression ratio,
products for each entry of the result, and spgemm_growth.svg, nanoseconds a product as matrices grow: A·A, f64, one thread,
our rows sorted, into the memory of the result before (`out`). Run from the root after `npm run build`, with python3,
NumPy, SciPy and matplotlib on a quiet machine (some minutes):  python3 docs/spgemm_plots.py

The two are timed in turns; a mark is the best of its turns. The lines printed are the figures drawn.
"""
import math
import pathlib
import struct
import subprocess
import time

import matplotlib
import numpy as np
import scipy.sparse as sparse

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import LogLocator, NullLocator  # noqa: E402

root = pathlib.Path(__file__).resolve().parent.parent
MOST_TURNS, MOST_SECONDS = 40, 1.5
NODE = f"""import {{ setThreads }} from '{root}/dist/index.js';
import {{ spgemm }} from '{root}/dist/sparse/index.js';
setThreads(1);
const chunks = []; for await (const c of process.stdin) {{
  chunks.push(c);
  const all = Buffer.concat(chunks);
  if (all.length < 24) continue;
  const [rows, cols, nnz] = new Float64Array(Uint8Array.from(all.subarray(0, 24)).buffer);
  const end = 24 + 8 * nnz + 4 * nnz + 4 * (rows + 1);
  if (nnz >= 0 && all.length < end) continue;
  chunks.length = 0;
  if (nnz < 0) {{ // time the last one
    const {{ a, c }} = globalThis, from = performance.now();
    const {{ stats, indices }} = spgemm(a, a, {{ out: c }}), ms = performance.now() - from;
    process.stdout.write(new Uint8Array(Float64Array.of(ms / 1000, stats.flops, indices.length).buffer));
    continue;
  }}
  const body = Uint8Array.from(all.subarray(24, end)).buffer;
  globalThis.a = {{ rows, cols, values: new Float64Array(body, 0, nnz), indices: new Uint32Array(body, 8 * nnz, nnz),
    indptr: new Uint32Array(body, 12 * nnz, rows + 1) }};
  globalThis.c = spgemm(globalThis.a, globalThis.a);
  process.stdout.write(new Uint8Array(24));
}}"""
random = np.random.default_rng(1)


def square(n, row, col):
    a = sparse.csr_matrix((np.ones(len(row)), (row, col)), shape=(n, n))
    a.sort_indices()
    a.data = random.random(a.nnz)
    return a


def erdos_renyi(scale, per_row=16):
    return square(2**scale, *random.integers(0, 2**scale, (2, per_row * 2**scale)))


def rmat(scale, per_row=16):
    row = col = np.zeros(per_row * 2**scale, np.int64)
    for _ in range(scale):
        quadrant = np.searchsorted([0.57, 0.76, 0.95], random.random(len(row)))
        row, col = 2 * row + quadrant // 2, 2 * col + quadrant % 2
    return square(2**scale, row, col)


def stencil(side, dimensions, full):
    line = sparse.diags([1, 1, 1], [-1, 0, 1], (side, side))
    one, a = sparse.identity(side), line
    for _ in range(dimensions - 1):
        a = sparse.kron(a, line) if full else sparse.kron(a, one) + sparse.kron(sparse.identity(a.shape[0]), line)
    a = sparse.coo_matrix(a)
    return square(a.shape[0], a.row, a.col)


def band(n, reach):
    a = sparse.diags([1] * (2 * reach + 1), range(-reach, reach + 1), (n, n)).tocoo()
    return square(n, a.row, a.col)


COLOURS = {"Erdős-Rényi": "#4477aa", "R-MAT": "#cc3311", "grid, 2-D": "#228833", "grid, 3-D": "#aa3377", "band": "#ee7733"}
COMPRESSION = {
    "Erdős-Rényi": [lambda s=s: erdos_renyi(s) for s in (8, 10, 12, 14)],
    "R-MAT": [lambda s=s: rmat(s) for s in (8, 10, 12, 14)],
    "grid, 2-D": [lambda f=f: stencil(400, 2, f) for f in (False, True)],
    "grid, 3-D": [lambda f=f: stencil(28, 3, f) for f in (False, True)],
    "band": [lambda r=r: band(20000, r) for r in (1, 3, 10, 30)],
}
GROWTH = {
    "Erdős-Rényi": [lambda s=s: erdos_renyi(s) for s in range(8, 17)],
    "R-MAT": [lambda s=s: rmat(s) for s in range(8, 16)],
    "grid, 2-D": [lambda n=n: stencil(n, 2, False) for n in (20, 40, 80, 160, 320, 640, 1000)],
    "grid, 3-D": [lambda n=n: stencil(n, 3, False) for n in (7, 12, 20, 32, 50, 80)],
    "band": [lambda n=n: band(n, 10) for n in (300, 1000, 3000, 10000, 30000, 100000, 200000)],
}


def exchange(node, message):
    node.stdin.write(message)
    node.stdin.flush()
    return struct.unpack("3d", node.stdout.read(24))


def measure(node, a):
    """Products for each entry of the result, products, and the seconds of both."""
    head = struct.pack("3d", *a.shape, a.nnz)
    exchange(node, head + a.data.tobytes() + a.indices.astype("u4").tobytes() + a.indptr.astype("u4").tobytes())
    ours = scipy = math.inf
    start = time.perf_counter()
    for turn in range(MOST_TURNS):
        if turn > 4 and time.perf_counter() - start > MOST_SECONDS:
            break
        seconds, flops, nnz = exchange(node, struct.pack("3d", 0, 0, -1))
        begin = time.perf_counter()
        product = a @ a
        scipy = min(scipy, time.perf_counter() - begin)
        ours = min(ours, seconds)
        assert product.nnz == nnz
    return flops / 2 / nnz, flops / 2, ours, scipy


def draw(name, families, across, up, x_label, y_label):
    """A line for each family: what `across` and `up` make of the measured figures, ours full, SciPy's dashed."""
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9})
    figure, axes = plt.subplots(figsize=(7.4, 4), layout="constrained")
    for family, marks in families.items():
        marks = sorted(marks, key=across)
        x = [across(mark) for mark in marks]
        plain = {"color": COLOURS[family], "marker": "o", "markersize": 4, "linewidth": 1}
        axes.loglog(x, [up(mark, mark[2]) for mark in marks], label=family, **plain)
        axes.loglog(x, [up(mark, mark[3]) for mark in marks], linestyle="--", markerfacecolor="white", **plain)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.set_title("full: lapidary, sorted, into out    dashed: SciPy, unsorted", fontsize=9)
    axes.grid(linewidth=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(root / f"docs/{name}.svg", metadata={"Date": None})


def main():
    run = ["node", "--input-type=module", "-e", NODE]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:

        def all_of(families):
            marks = {name: [measure(node, make()) for make in makes] for name, makes in families.items()}
            for name, (ratio, products, ours, scipy) in ((n, m) for n, group in marks.items() for m in group):
                print(f"{name:12} compression {ratio:6.2f}  products {products:12.0f}  ours {1e9 * ours / products:7.3f} ns"
                      f" a product, {2e-9 * products / ours:6.3f} GFLOPS  SciPy {2e-9 * products / scipy:6.3f}"
                      f"  {scipy / ours:5.2f} times", flush=True)
            return marks

        compression, growth = all_of(COMPRESSION), all_of(GROWTH)
        node.stdin.close()
    draw("spgemm_compression", compression, lambda mark: mark[0], lambda mark, s: 2e-9 * mark[1] / s,
         "compression ratio (products for each entry of the result)", "GFLOPS")
    draw("spgemm_growth", growth, lambda mark: 1e-6 * mark[1], lambda mark, s: 1e9 * s / mark[1],
         "million products", "nanoseconds a product")


main()
