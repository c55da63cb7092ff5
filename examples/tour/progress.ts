/** What the tour is doing: a bar on stderr if that is a terminal, else a line for each piece of work. */
import { SingleBar } from 'cli-progress';

export class Progress {
  #done = 0;
  readonly #bar = new SingleBar({
    format: '  {bar} {value}/{total}  {what}',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    linewrap: false,
  });

  constructor(readonly total: number) {}

  /** Says what comes now, and runs it. */
  during<T>(what: string, work: () => T): T {
    this.#done++;
    if (!process.stderr.isTTY) {
      process.stderr.write(`[${this.#done}/${this.total}] ${what}\n`);
      return work();
    }
    this.#bar.start(this.total, this.#done, { what });
    try {
      return work();
    } finally {
      this.#bar.stop();
    }
  }
}
