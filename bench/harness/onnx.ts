/**
 * Writes an ONNX model of one node as protobuf, so that ONNX Runtime can be raced without a converter. Field numbers from
 * onnx.proto3: ModelProto (ir_version 1, graph 7, opset_import 8), GraphProto (node 1, name 2, initializer 5, input 11,
 * output 12), NodeProto (input 1, output 2, op_type 4, attribute 5, domain 7), AttributeProto (name 1, i 3, type 20),
 * TensorProto (dims 1, data_type 2, name 8, raw_data 9), OperatorSetIdProto (domain 1, version 2).
 */
const VARINT = 0;
const BYTES = 2;

function varint(value: number): number[] {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const number = (field: number, value: number): Uint8Array =>
  Uint8Array.from([...varint(field * 8 + VARINT), ...varint(value)]);

function message(field: number, ...parts: (Uint8Array | string)[]): Uint8Array {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([Uint8Array.from([...varint(field * 8 + BYTES), ...varint(body.length)]), body]);
}

/** Element types that are used here, by ONNX Runtime's names: TensorProto.DataType */
const elementTypes = { float32: 1, uint8: 2, int8: 3, int32: 6 } as const;
export type ElementType = keyof typeof elementTypes;
export type TensorData = Float32Array | Uint8Array | Int8Array | Int32Array;

/** The element type of an array. */
export const elementTypeOf = (data: TensorData): ElementType =>
  data.constructor.name.replace('Array', '').toLowerCase() as ElementType;

export interface TensorShape {
  name: string;
  dims: readonly number[];
  /** default float32 */
  type?: ElementType;
}

/** A tensor that is part of the model, as weights are: the runtime may pack it beforehand. */
export interface Initializer extends TensorShape {
  data: TensorData;
}

const dimension = (d: number) => message(1, number(1, d)); // TensorShapeProto.dim { dim_value 1 }

const valueInfo = (field: number, { name, dims, type = 'float32' }: TensorShape) =>
  message(
    field,
    message(1, name),
    message(2, message(1, number(1, elementTypes[type]), message(2, ...dims.map(dimension)))),
  );

/** AttributeProto.AttributeType */
const INT = 2;

/**
 * The model `output = operator(inputs…, weights…)` on tensors of f32 or integers; attributes are whole numbers. An operator that is not
 * ONNX's own has its domain before its name: `com.microsoft.MultiHeadAttention`.
 */
export function onnxModel(
  operator: string,
  inputs: readonly TensorShape[],
  output: TensorShape,
  weights: readonly Initializer[] = [],
  attributes: Readonly<Record<string, number>> = {},
): Uint8Array {
  const names = [...inputs, ...weights].map((tensor) => message(1, tensor.name));
  const tensors = weights.map(({ name, dims, data }) => {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return message(
      5,
      ...dims.map((d) => number(1, d)),
      number(2, elementTypes[elementTypeOf(data)]),
      message(8, name),
      message(9, raw),
    );
  });
  const settings = Object.entries(attributes).map(([name, value]) =>
    message(5, message(1, name), number(3, value), number(20, INT)),
  );
  const dot = operator.lastIndexOf('.');
  const domain = operator.slice(0, Math.max(0, dot));
  const node = message(
    1,
    ...names,
    message(2, output.name),
    message(4, operator.slice(dot + 1)),
    ...settings,
    ...(domain ? [message(7, domain)] : []),
  );
  const infos = [...inputs.map((input) => valueInfo(11, input)), valueInfo(12, output)];
  return Buffer.concat([
    number(1, 8), // IR version 8 goes with operator set 17
    message(7, node, message(2, 'bench'), ...tensors, ...infos),
    message(8, number(2, 17)),
    ...(domain ? [message(8, message(1, domain), number(2, 1))] : []),
  ]);
}
