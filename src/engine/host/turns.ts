/** Work on one memory is done one piece after the other. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** Does this after what was asked for before, however that ended. */
  take<T>(work: () => Promise<T> | T): Promise<T> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
