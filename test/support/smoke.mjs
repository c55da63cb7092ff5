// Runs under other versions of Node than the one that built the addon: load, compute in each domain, in a worker and
// through the pool. Prints one line; throws if anything is wrong.
import assert from 'node:assert/strict';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import * as lapidary from 'lapidary';
import * as offloading from 'lapidary/offload';

const { cpuInfo, dense, philox } = lapidary;

const steps = {
  core() {
    const generator = philox(1);
    assert.equal(generator.fill(new Float64Array(9))[8], generator.uniform(8));
    assert.throws(() => dense(2, 2, new Float64Array(3)), { code: 'ERR_SHAPE' });
    assert.notEqual(2e-310 * 0.5, 0);
  },
  gemm({ matmul }) {
    const product = matmul(dense(1, 2, Float64Array.of(1, 2)), dense(2, 1, Float64Array.of(3, 4)));
    assert.deepEqual([...product.data], [11]);
  },
  sparse({ fromCoo, spmv }) {
    const a = fromCoo({ rows: 2, cols: 2, row: [0, 1], col: [1, 0], value: [2, 3] });
    assert.deepEqual([...spmv(a, Float64Array.of(1, 10))], [20, 3]);
  },
  softmax({ softmax }) {
    assert.deepEqual([...softmax(dense(1, 2, Float32Array.of(7, 7))).data], [0.5, 0.5]);
  },
  special({ logBesselI }) {
    assert.ok(Math.abs(logBesselI(0, 1) - 0.23591435850717) < 1e-12);
  },
};

const ran = Object.entries(steps).flatMap(([domain, step]) => {
  const functions = domain === 'core' ? lapidary : lapidary[domain];
  if (Object.keys(functions).length === 0) return [];
  step(functions);
  return [domain];
});

if (isMainThread) {
  const inWorker = await new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  assert.deepEqual(inWorker, ran);
  const { offload } = offloading;
  const pool = offload({ threads: 1 });
  const x = dense(1, 2, Float64Array.of(1, 2));
  const y = dense(2, 1, Float64Array.of(3, 4));
  assert.deepEqual([...(await pool.gemm.matmul(x, y)).data], [11]);
  await pool.close();
  console.log(`Node ${process.version} on ${cpuInfo().isa}: ${ran.join(', ')}, worker, offload`);
} else {
  parentPort.postMessage(ran);
}
