/**
 * The header of an .npy file: a Python dict literal with the keys descr, fortran_order and shape. Read by a small parser
 * that knows strings, whole numbers, True, False and tuples of numbers, and nothing else.
 */

export const magic = '\x93NUMPY';

export interface NpyHeader {
  descr: string;
  fortranOrder: boolean;
  shape: number[];
}

/** What is wrong, at which character of the header. */
export class HeaderError extends Error {
  constructor(
    readonly position: number,
    readonly expected: string,
    readonly got: string,
  ) {
    super(expected);
  }
}

interface Token {
  kind: 'string' | 'number' | 'word' | 'mark' | 'end';
  text: string;
  position: number;
}

// A string without escapes, a whole number (Python 2 wrote 3L), a name, a mark; white space before is skipped.
const pattern = /[ \t\n]*(?:'([^'\\\n]*)'|"([^"\\\n]*)"|([0-9]+)L?(?![0-9A-Za-z_.])|([A-Za-z_]+)|([{}():,]))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const rest = /[ \t\n\0]*$/y;
  let position = 0;
  for (;;) {
    rest.lastIndex = position;
    if (rest.test(text)) break;
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    if (!match)
      throw new HeaderError(position, 'a Python dict literal', JSON.stringify(text.slice(position, position + 20)));
    const [all, single, double, number, word, mark] = match;
    const kind = number !== undefined ? 'number' : word !== undefined ? 'word' : mark !== undefined ? 'mark' : 'string';
    tokens.push({ kind, text: (single ?? double ?? number ?? word ?? mark)!, position });
    position += all.length;
  }
  tokens.push({ kind: 'end', text: 'its end', position });
  return tokens;
}

/** Parses the dict; throws a HeaderError for anything but the three keys, each once, with values of their types. */
export function parseHeader(text: string): NpyHeader {
  const tokens = tokenize(text);
  let next = 0;
  const peek = (): Token => tokens[next]!;
  const fail = (expected: string): never => {
    throw new HeaderError(peek().position, expected, peek().text.slice(0, 40));
  };
  const take = (kind: Token['kind'], expected: string): string => {
    if (peek().kind !== kind) fail(expected);
    return tokens[next++]!.text;
  };
  const mark = (text: string): void => {
    if (peek().kind !== 'mark' || peek().text !== text) fail(`'${text}'`);
    next++;
  };
  const skip = (text: string): boolean => {
    const found = peek().kind === 'mark' && peek().text === text;
    if (found) next++;
    return found;
  };

  const shape = (): number[] => {
    const sizes: number[] = [];
    mark('(');
    while (!skip(')')) {
      const size = Number(take('number', 'a size: a whole number'));
      if (!Number.isSafeInteger(size)) {
        next--;
        fail('a size below 2^53');
      }
      sizes.push(size);
      if (!skip(',')) {
        if (sizes.length === 1) fail("',': a tuple of one size"); // (3) is a number in Python
        mark(')');
        break;
      }
    }
    return sizes;
  };

  const header: Partial<NpyHeader> = {};
  mark('{');
  while (!skip('}')) {
    const key = take('string', "a key of the dict, or '}'");
    mark(':');
    if (key === 'descr' && header.descr === undefined) {
      header.descr = take('string', 'a plain data type such as <f8 (no structured types)');
    } else if (key === 'fortran_order' && header.fortranOrder === undefined) {
      if (!['True', 'False'].includes(peek().text)) fail('True or False');
      header.fortranOrder = take('word', 'True or False') === 'True';
    } else if (key === 'shape' && header.shape === undefined) {
      header.shape = shape();
    } else {
      next -= 2;
      fail('the keys descr, fortran_order and shape, each once');
    }
    if (!skip(',')) {
      mark('}');
      break;
    }
  }
  if (peek().kind !== 'end') fail('nothing after the dict');
  const { descr, fortranOrder, shape: sizes } = header;
  if (descr === undefined || fortranOrder === undefined || sizes === undefined)
    return fail('the keys descr, fortran_order and shape');
  return { descr, fortranOrder, shape: sizes };
}
