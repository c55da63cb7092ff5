"""Draws spgemm_compression.svg: GFLOPS of spgemm and of SciPy's A @ A (rows left unsorted) against the compression ratio,
products for each entry of the result, one thread, a fresh result each time. Run from the root after `npm run build`, with
python3, NumPy and SciPy on a quiet machine (a minute):  python3 docs/spgemm_compression.py

The two are timed in turns; a mark is the best of its turns. The last lines printed are the figures drawn.
"""
import math
import pathlib
import struct
import subprocess
import time

import numpy as np
import scipy.sparse as sparse

root = pathlib.Path(__file__).resolve().parent.parent
TURNS = 20
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
    const from = performance.now(), {{ stats, indices }} = spgemm(globalThis.a, globalThis.a), ms = performance.now() - from;
    process.stdout.write(new Uint8Array(Float64Array.of(ms / 1000, stats.flops, indices.length).buffer));
    continue;
  }}
  const body = Uint8Array.from(all.subarray(24, end)).buffer;
  globalThis.a = {{ rows, cols, values: new Float64Array(body, 0, nnz), indices: new Uint32Array(body, 8 * nnz, nnz),
    indptr: new Uint32Array(body, 12 * nnz, rows + 1) }};
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


FAMILIES = {
    "Erdős-Rényi": ("#4477aa", [lambda s=s: erdos_renyi(s) for s in (8, 10, 12, 14)]),
    "R-MAT": ("#cc3311", [lambda s=s: rmat(s) for s in (8, 10, 12, 13)]),
    "grid, 2-D": ("#228833", [lambda f=f: stencil(400, 2, f) for f in (False, True)]),
    "grid, 3-D": ("#aa3377", [lambda f=f: stencil(28, 3, f) for f in (False, True)]),
    "band": ("#ee7733", [lambda r=r: band(20000, r) for r in (1, 3, 10, 30)]),
}


def exchange(node, message):
    node.stdin.write(message)
    node.stdin.flush()
    return struct.unpack("3d", node.stdout.read(24))


def measure(node, a):
    head = struct.pack("3d", *a.shape, a.nnz)
    exchange(node, head + a.data.tobytes() + a.indices.astype("u4").tobytes() + a.indptr.astype("u4").tobytes())
    ours = scipy = math.inf
    for _ in range(TURNS):
        seconds, flops, nnz = exchange(node, struct.pack("3d", 0, 0, -1))
        begin = time.perf_counter()
        product = a @ a
        scipy = min(scipy, time.perf_counter() - begin)
        ours = min(ours, seconds)
        assert product.nnz == nnz
    return flops / 2 / nnz, flops / ours / 1e9, flops / scipy / 1e9


def ticks(low, high):
    return [m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5) if low <= m * 10.0**e <= high]


def main():
    run = ["node", "--input-type=module", "-e", NODE]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        marks = [(name, *measure(node, make())) for name, (_, makes) in FAMILIES.items() for make in makes]
        node.stdin.close()
    rates = [rate for _, _, *both in marks for rate in both]
    x_low, x_high = 0.9, 1.2 * max(mark[1] for mark in marks)
    y_low, y_high = min(rates) / 1.3, max(rates) * 1.3
    x = lambda v: 60 + 520 * math.log(v / x_low) / math.log(x_high / x_low)
    y = lambda v: 340 - 310 * math.log(v / y_low) / math.log(y_high / y_low)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 390" font-family="sans-serif" font-size="12">',
           '<rect width="740" height="390" fill="white"/>']
    for v in ticks(x_low, x_high):
        out.append(f'<path d="M{x(v):.1f} 30V340" stroke="#ddd"/><text x="{x(v):.1f}" y="356" text-anchor="middle">{v:g}</text>')
    for v in ticks(y_low, y_high):
        out.append(f'<path d="M60 {y(v):.1f}H580" stroke="#ddd"/><text x="54" y="{y(v) + 4:.1f}" text-anchor="end">{v:g}</text>')
    out.append('<text x="320" y="378" text-anchor="middle">compression ratio (products for each entry of the result)</text>')
    out.append('<text x="60" y="20">GFLOPS, one thread: ● lapidary, sorted   ○ SciPy, unsorted</text>')
    for place, (name, (colour, _)) in enumerate(FAMILIES.items()):
        mine = sorted(mark[1:] for mark in marks if mark[0] == name)
        for which, fill, dash in ((1, colour, ""), (2, "white", ' stroke-dasharray="4 3"')):
            path = "L".join(f"{x(mark[0]):.1f} {y(mark[which]):.1f}" for mark in mine)
            out.append(f'<path d="M{path}" fill="none" stroke="{colour}"{dash}/>')
            out += [f'<circle cx="{x(mark[0]):.1f}" cy="{y(mark[which]):.1f}" r="4" fill="{fill}" stroke="{colour}"/>'
                    for mark in mine]
        out.append(f'<text x="600" y="{60 + 22 * place}" fill="{colour}">{name}</text>')
    (root / "docs/spgemm_compression.svg").write_text("\n".join([*out, "</svg>", ""]))
    for name, ratio, ours, scipy in marks:
        print(f"{name:12} compression {ratio:6.2f}  ours {ours:6.3f}  SciPy {scipy:6.3f}  {ours / scipy:5.2f} times")


main()
