/** How the tour prints: headings, sentences and tables that fit the terminal. */
import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const style = (format: Parameters<typeof styleText>[0], text: string): string =>
  colour ? styleText(format, text, { validateStream: false }) : text;

export const bold = (text: string): string => style('bold', text);
export const dim = (text: string): string => style('gray', text);
export const good = (text: string): string => style('green', text);
export const bad = (text: string): string => style('red', text);

const width = (): number => Math.max(60, Math.min(140, process.stdout.columns || Number(process.env.COLUMNS) || 100));

export const count = (n: number): string => n.toLocaleString('en');

export function time(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toPrecision(3)} µs`;
  if (ms < 1000) return `${ms.toPrecision(3)} ms`;
  return `${(ms / 1000).toPrecision(3)} s`;
}

export function say(text = ''): void {
  console.log(text);
}

export function heading(text: string): void {
  const rule = '─'.repeat(Math.max(0, width() - text.length - 4));
  say(`\n${dim('──')} ${bold(text)} ${dim(rule)}`);
}

/** A paragraph, wrapped. */
export function sentence(text: string): void {
  let line = '';
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > width()) {
      say(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  say(line);
}

export interface Column {
  head: string;
  align?: 'left' | 'right';
  /** takes what width is left, and cuts what does not fit */
  rest?: boolean;
  /** the most it may take of the width of the terminal; longer text is cut */
  share?: number;
}

/** A table as wide as the terminal at most. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
  const plain = columns.map(({ head, share = 1 }, c) =>
    Math.min(Math.floor(share * width()), Math.max(head.length, ...rows.map((row) => visible(row[c]!)))),
  );
  const fixed = columns.reduce((sum, { rest }, c) => sum + 3 + (rest ? 0 : plain[c]!), 1);
  const colWidths = columns.map(
    ({ rest }, c) => 2 + (rest ? Math.min(plain[c]!, Math.max(12, width() - fixed)) : plain[c]!),
  );
  const drawn = new Table({
    head: columns.map(({ head }) => bold(head)),
    colAligns: columns.map(({ align = 'left' }) => align),
    colWidths,
    style: { head: [], border: colour ? ['gray'] : [], compact: true },
  });
  for (const row of rows) drawn.push([...row]);
  say(drawn.toString());
}

const visible = (text: string): number => stripVTControlCharacters(text).length;
