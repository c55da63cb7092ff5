/** The protocol, against a program written here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { External, peerEnvironment } from '../../bench/harness/external.js';
import { onnxModel } from '../../bench/harness/onnx.js';

const folder = mkdtempSync(join(tmpdir(), 'lapidary-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Doubles the array it was given; `task fail` is an error, `task exit` ends it. */
const program = join(folder, 'twice.mjs');
writeFileSync(
  program,
  `import { createReadStream } from 'node:fs';
let rest = Buffer.alloc(0), data, want = 0;
const say = (line) => process.stdout.write(line + '\\n');
say('ready twice ' + (process.env.OPENBLAS_CORETYPE ?? 'free') + ' ' + process.env.OPENBLAS_NUM_THREADS);
process.stdin.on('data', (chunk) => {
  rest = Buffer.concat([rest, chunk]);
  for (;;) {
    if (want) {
      if (rest.length < want) return;
      data = new Float64Array(Uint8Array.from(rest.subarray(0, want)).buffer);
      rest = rest.subarray(want);
      want = 0;
    }
    const end = rest.indexOf(10);
    if (end < 0) return;
    const [word, ...more] = String(rest.subarray(0, end)).split(' ');
    rest = rest.subarray(end + 1);
    if (word === 'array') want = 8 * Number(more[2]);
    if (word === 'task' && more[0] === 'exit') process.exit(3);
    if (word === 'task') say(more[0] === 'fail' ? 'error no such task' : 'ok ' + more.length);
    if (word === 'batch') say('time 0.25');
    if (word === 'result') {
      say('array f64 ' + data.length);
      process.stdout.write(new Uint8Array(data.map((x) => 2 * x).buffer));
    }
  }
});
`,
);
const start = () => External.start(process.execPath, [program], 3);

describe('an external peer', () => {
  test('takes arrays, times a batch and gives its result', async () => {
    const external = await start();
    try {
      const large = new Float64Array(300_000).map((_, i) => i);
      const contender = external.contender({ operation: 'double', parameters: { a: 1, b: 'c' }, arrays: { large } }, 0.01); // prettier-ignore
      expect(await contender.sample()).toBe(0.25);
      expect(await contender.result()).toEqual(large.map((x) => 2 * x));
      const empty = external.contender({ operation: 'double', arrays: { none: large.subarray(7, 8) } }, 0.01);
      expect(await empty.result()).toEqual(Float64Array.of(14));
    } finally {
      external.end();
    }
  });

  test('that refuses a task, ends, or cannot be started says so', async () => {
    const external = await start();
    await expect(external.prepare({ operation: 'fail' })).rejects.toThrow('no such task');
    await expect(external.prepare({ operation: 'exit' })).rejects.toThrow('ended (3)');
    await expect(External.start(join(folder, 'nothing here'), [], 1)).rejects.toThrow(/ENOENT/);
  });

  test('runs without the variables that choose a BLAS kernel and with its threads', async () => {
    process.env.OPENBLAS_CORETYPE = 'Prescott';
    try {
      const external = await start();
      expect(external.version).toBe('twice free 3');
      external.end();
    } finally {
      delete process.env.OPENBLAS_CORETYPE;
    }
    const environment = peerEnvironment(2, { OPENBLAS_L2_SIZE: '1', PATH: '/bin' });
    expect(environment).toMatchObject({ PATH: '/bin', OMP_NUM_THREADS: '2' });
    expect(environment).not.toHaveProperty('OPENBLAS_L2_SIZE');
  });
});

test('an ONNX model has the bytes of its protobuf', () => {
  const model = onnxModel('Relu', [{ name: 'x', dims: [300] }], { name: 'y', dims: [300] });
  const value = (name: string) => `0a 01 ${name} 12 0b 0a 09 08 01 12 05 0a 03 08 ac 02`; // name, f32, one dimension of 300
  const node = '0a 0c 0a 01 78 12 01 79 22 04 52 65 6c 75'; // input x, output y, Relu
  const graph = [node, '12 05 62 65 6e 63 68', `5a 10 ${value('78')}`, `62 10 ${value('79')}`].join(' ');
  const expected = `08 08 3a 39 ${graph} 42 02 10 11`.split(' ').map((byte) => parseInt(byte, 16));
  expect([...model]).toEqual(expected);
});
