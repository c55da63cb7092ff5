"""SciPy and NumPy as peers. Speaks the protocol of bench/harness/external.ts; needs nothing but them."""

import sys
import time
import warnings

try:
    import numpy as np
    import scipy
    import scipy.io
    import scipy.sparse as sp
    import scipy.special as special
except ImportError as error:
    print(f"error {error}", flush=True)
    sys.exit(0)

warnings.filterwarnings("ignore")
DTYPES = {"f64": np.float64, "f32": np.float32, "u32": np.uint32, "u8": np.uint8}


def csr(arrays, p, name):
    rows, cols = int(p[name + "rows"]), int(p[name + "cols"])
    parts = (arrays[name + "values"], arrays[name + "indices"].astype(np.int32), arrays[name + "indptr"].astype(np.int32))
    matrix = sp.csr_matrix(parts, shape=(rows, cols))
    matrix.has_sorted_indices = True
    return matrix


def spmv(arrays, p):
    a, x = csr(arrays, p, "a"), arrays["x"]
    return lambda: a @ x


def spmm(arrays, p):
    a, b = csr(arrays, p, "a"), arrays["b"].reshape(int(p["acols"]), -1)
    return lambda: a @ b


def spgemm(arrays, p):
    a = csr(arrays, p, "a")
    b = csr(arrays, p, "b") if "brows" in p else a

    def call():
        c = a @ b
        c.sort_indices()  # the result of lapidary is sorted too
        return c

    return call


def spgemm_unsorted(arrays, p):
    a, b = csr(arrays, p, "a"), csr(arrays, p, "b")
    return lambda: a @ b


def transpose(arrays, p):
    a = csr(arrays, p, "a")
    return lambda: a.T.tocsr()


def from_coo(arrays, p):
    shape = (int(p["rows"]), int(p["cols"]))
    row, col = arrays["row"].astype(np.int32), arrays["col"].astype(np.int32)

    def call():
        c = sp.coo_matrix((arrays["value"], (row, col)), shape=shape).tocsr()
        c.sort_indices()
        return c

    return call


def canonical(matrix):
    """As lapidary returns it: sorted, each column once."""
    matrix = matrix.tocsr()
    matrix.sum_duplicates()
    return matrix


def add(arrays, p):
    a, b = csr(arrays, p, "a"), csr(arrays, p, "b")
    return lambda: a + b


def hadamard_product(arrays, p):
    a, b = csr(arrays, p, "a"), csr(arrays, p, "b")
    return lambda: a.multiply(b)


def scale(arrays, p):
    a, x = csr(arrays, p, "a"), arrays["x"]
    return lambda: sp.diags(x) @ a


def column_sums(arrays, p):
    a = csr(arrays, p, "a")
    return lambda: np.asarray(a.sum(axis=0)).ravel()


def lower_triangle(arrays, p):
    a = csr(arrays, p, "a")
    return lambda: canonical(sp.tril(a, -1))


def upper_triangle(arrays, p):
    a = csr(arrays, p, "a")
    return lambda: canonical(sp.triu(a, 1))


def prune(arrays, p):
    a = csr(arrays, p, "a")

    def call():
        c = a.copy()
        c.data[np.abs(c.data) <= 0.5] = 0
        c.eliminate_zeros()
        return c

    return call


def diag(arrays, p):
    a = csr(arrays, p, "a")
    return lambda: a.diagonal()


def extract(arrays, p):
    a, half = csr(arrays, p, "a"), arrays["half"].astype(np.int32)
    return lambda: a[half][:, half]


def permute(arrays, p):
    a, order = csr(arrays, p, "a"), arrays["order"].astype(np.int32)

    def call():
        c = a[order][:, order]
        c.sort_indices()
        return c

    return call


def is_symmetric(arrays, p):
    a = csr(arrays, p, "a")
    return lambda: np.array([float((a != a.T.tocsr()).nnz == 0)])


def sddmm(arrays, p):
    a = csr(arrays, p, "a")
    x, y = arrays["x"].reshape(a.shape[0], -1), arrays["y"].reshape(a.shape[1], -1)
    row = np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
    return lambda: a.data * np.einsum("ij,ij->i", x[row], y[a.indices])


def log_i(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: np.log(special.ive(v, x)) + x


def log_k(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: np.log(special.kve(v, x)) - x


def bessel_i_ratio(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: special.ive(v + 1, x) / special.ive(v, x)


def log_i_derivative(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: special.ive(v + 1, x) / special.ive(v, x) + v / x


def log_k_derivative(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: -special.kve(np.abs(v - 1), x) / special.kve(v, x) - v / x


def scaled_i(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: special.ive(v, x)


def scaled_k(arrays, p):
    v, x = arrays["v"], arrays["x"]
    return lambda: special.kve(v, x)


def power_iteration(p, a, restart):
    """p <- alpha r + (1 - alpha) (P^T p + dangling r) until the 1-norm of the step is at most the tolerance."""
    alpha, tolerance = float(p["alpha"]), float(p["tolerance"])

    def call():
        out = np.asarray(a.sum(axis=1)).ravel()
        dangling = out == 0
        transposed = (sp.diags(np.where(dangling, 0, 1 / np.where(dangling, 1, out))) @ a).T.tocsr()
        x = restart.copy()
        for _ in range(1000):
            y = alpha * restart + (1 - alpha) * (transposed @ x + x[dangling].sum() * restart)
            residual = np.abs(y - x).sum()
            x = y
            if residual <= tolerance:
                break
        return x

    return call


def page_rank(arrays, p):
    a = csr(arrays, p, "a")
    return power_iteration(p, a, np.full(a.shape[0], 1 / a.shape[0]))


def personalized_page_rank(arrays, p):
    a = csr(arrays, p, "a")
    restart = np.zeros(a.shape[0])
    restart[arrays["seeds"]] = 1 / len(arrays["seeds"])
    return power_iteration(p, a, restart)


def fast_rp(arrays, p):
    """FastRP by CSR @ dense in f32, from a random matrix that is given (lapidary also has to draw it)."""
    a, r = csr(arrays, p, "a"), arrays["r"].reshape(int(p["arows"]), -1)
    weights = [float(w) for w in p["weights"].split(",")]
    beta = float(p["beta"])

    def call():
        degree = np.asarray(a.sum(axis=1)).ravel()
        linked = degree > 0
        safe = np.where(linked, degree, 1)
        u = np.where(linked, safe**beta, 0).astype(np.float32)[:, None] * r
        step = (sp.diags(np.where(linked, 1 / safe, 0)) @ a).astype(np.float32).tocsr()
        total = np.zeros_like(r)
        for weight in weights:
            u = step @ u
            if weight:
                norm = np.linalg.norm(u, axis=1, keepdims=True)
                total += np.float32(weight) * u / np.where(norm > 0, norm, 1)
        mean, deviation = total[linked].mean(axis=0), total[linked].std(axis=0)
        return np.where(linked[:, None], (total - mean) / np.where(deviation > 0, deviation, 1), 0)

    return call


def vmf_fit(arrays, p):
    from scipy.stats import vonmises_fisher

    x = arrays["x"].reshape(int(p["rows"]), -1)

    def call():
        mu, kappa = vonmises_fisher.fit(x)
        return np.append(mu, kappa)

    return call


def vmf_sample(arrays, p):
    """The mean of mu.x, the one number in which two samples agree."""
    from scipy.stats import vonmises_fisher

    mu = arrays["mu"]
    frozen = vonmises_fisher(mu, float(p["kappa"]), seed=1)
    rows = int(p["rows"])
    return lambda: np.array([(frozen.rvs(rows) @ mu).mean()])


def vmf_entropy(arrays, p):
    from scipy.stats import vonmises_fisher

    mu = np.zeros(int(p["p"]))
    mu[0] = 1
    return lambda: np.array([vonmises_fisher(mu, kappa).entropy() for kappa in arrays["kappa"]])


def vmf_mixture_fit(arrays, p):
    """Soft EM in NumPy from farthest-point seeds: its log-likelihood after a number of steps."""
    raw = arrays["x"].reshape(int(p["rows"]), -1)
    k, steps, dim = int(p["k"]), int(p["steps"]), raw.shape[1]
    v = dim / 2 - 1

    def log_peak(kappa):
        return v * np.log(kappa) - (v + 1) * np.log(2 * np.pi) - np.log(special.ive(v, kappa))

    def solve(mean):
        kappa = mean * (dim - mean**2) / (1 - mean**2)
        for _ in range(5):
            a = special.ive(v + 1, kappa) / special.ive(v, kappa)
            kappa = kappa - (a - mean) / (1 - a * a - (dim - 1) / kappa * a)
        return kappa

    def call():
        u = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        seeds, nearest = [0], u @ u[0]
        for _ in range(k - 1):
            seeds.append(int(nearest.argmin()))
            nearest = np.maximum(nearest, u @ u[seeds[-1]])
        parts = np.eye(k)[(u @ u[seeds].T).argmax(axis=1)]
        for _ in range(steps + 1):
            mass, sums = parts.sum(axis=0), parts.T @ u
            lengths = np.linalg.norm(sums, axis=1)
            mu, kappa = sums / lengths[:, None], solve(lengths / mass)
            a = np.log(mass / len(u)) + log_peak(kappa) + kappa * (u @ mu.T - 1)
            top = a.max(axis=1, keepdims=True)
            e = np.exp(a - top)
            total = e.sum(axis=1, keepdims=True)
            parts = e / total
        return np.array([(top + np.log(total)).sum()])

    return call


def hessian(arrays, p):
    x = arrays["x"].reshape(int(p["rows"]), -1)

    def call():
        wide = x.astype(np.float64)
        return (2 / len(wide)) * (wide.T @ wide)

    return call


def gptq(arrays, p):
    """GPTQ as published, f64, blocks of 128 columns, symmetric int4 in groups of 32: its loss."""
    from scipy.linalg import cholesky, lapack

    n = int(p["cols"])
    w, h = arrays["w"].reshape(-1, n), arrays["h"].reshape(n, n)
    damping, group, block = 0.01, 32, 128

    def call():
        tops = np.abs(w.reshape(len(w), n // group, group)).max(axis=2)
        scales = np.repeat(tops / np.float32(7.5), group, axis=1)
        damp = damping * np.diag(h).mean()
        factor = cholesky(h + damp * np.eye(n), lower=True)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        upper = cholesky(inverse, lower=False)
        left, rounded = w.astype(np.float64), np.empty(w.shape)
        loss = 0.0
        for first in range(0, n, block):
            last = min(first + block, n)
            errors = np.empty((len(w), last - first))
            for i in range(first, last):
                column = left[:, i]
                rounded[:, i] = np.clip(np.rint(column / scales[:, i]), -8, 7) * scales[:, i]
                error = (column - rounded[:, i]) / upper[i, i]
                left[:, i:last] -= np.outer(error, upper[i, i:last])
                errors[:, i - first] = error
            left[:, last:] -= errors @ upper[first:last, last:]
            loss += (errors**2).sum()
        return np.array([loss - damp * ((w - rounded) ** 2).sum()])

    return call


def low_rank(arrays, p):
    """The norm of what the largest singular triplets leave, by ARPACK."""
    from scipy.sparse.linalg import svds

    e = arrays["e"].reshape(int(p["rows"]), -1)
    rank = int(p["rank"])

    def call():
        u, s, v = svds(e, k=rank)
        return np.array([np.linalg.norm(e - (u * s) @ v)])

    return call


def read_matrix_market(arrays, p):
    import io

    data = arrays["file"].tobytes()
    return lambda: sp.csr_matrix(scipy.io.mmread(io.BytesIO(data)))


def read_npy(arrays, p):
    import io

    data = arrays["file"].tobytes()
    return lambda: np.load(io.BytesIO(data))


TASKS = {
    "spmv": spmv,
    "spmm": spmm,
    "spgemm": spgemm,
    "spgemmUnsorted": spgemm_unsorted,
    "transpose": transpose,
    "fromCoo": from_coo,
    "add": add,
    "hadamardProduct": hadamard_product,
    "scale": scale,
    "columnSums": column_sums,
    "lowerTriangle": lower_triangle,
    "upperTriangle": upper_triangle,
    "prune": prune,
    "diag": diag,
    "extract": extract,
    "permute": permute,
    "isSymmetric": is_symmetric,
    "sddmm": sddmm,
    "logBesselI": log_i,
    "logBesselK": log_k,
    "besselIRatio": bessel_i_ratio,
    "logBesselIDerivative": log_i_derivative,
    "logBesselKDerivative": log_k_derivative,
    "besselIe": scaled_i,
    "besselKe": scaled_k,
    "pageRank": page_rank,
    "personalizedPageRank": personalized_page_rank,
    "fastRP": fast_rp,
    "vmfFit": vmf_fit,
    "vmfSample": vmf_sample,
    "vmfEntropy": vmf_entropy,
    "vmfMixtureFit": vmf_mixture_fit,
    "hessian": hessian,
    "gptq": gptq,
    "lowRank": low_rank,
    "readMatrixMarket": read_matrix_market,
    "readNpy": read_npy,
}


def numbers(value):
    """The values of a sparse result, a dense result as it is."""
    if sp.issparse(value):
        value.sort_indices()
        return value.data
    return np.ascontiguousarray(value)


def batch(call, least):
    call()
    calls, elapsed, start = 0, 0.0, time.perf_counter()
    while elapsed < least or calls == 0:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
    return elapsed / calls


def main():
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer

    def say(line):
        stdout.write(line.encode() + b"\n")
        stdout.flush()

    say(f"ready SciPy {scipy.__version__}")
    arrays, call = {}, None
    for line in iter(stdin.readline, b""):
        word, *rest = line.decode().split()
        try:
            if word == "array":
                name, dtype, count = rest
                size = int(count) * np.dtype(DTYPES[dtype]).itemsize
                arrays[name] = np.frombuffer(stdin.read(size), DTYPES[dtype])
            elif word == "task":
                parameters = dict(pair.split("=", 1) for pair in rest[1:])
                call = TASKS[rest[0]](dict(arrays), parameters)
                say("ok 0")
            elif word == "batch":
                say(f"time {batch(call, float(rest[0])):.9e}")
            elif word == "result":
                value = numbers(call()).astype(np.float64)
                say(f"array f64 {value.size}")
                stdout.write(value.tobytes())
                stdout.flush()
            else:
                say(f"error unknown command {word}")
        except Exception as error:  # the run reports it and goes on
            say(f"error {type(error).__name__} {error}".replace("\n", " "))


main()
