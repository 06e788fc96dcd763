/** When a client called and when it had its answer, in ms; an answer that never came returned at Infinity. */
export interface Timed {
  calledAt: number;
  returnedAt: number;
}

/** What a single thing does that is asked one operation after the other. */
export interface Model<State, Operation> {
  start: State;
  /** The state after the operation, or null when it could not have been answered so in this state. */
  step(state: State, operation: Operation): State | null;
  /** Equal texts for equal states. */
  keyOf(state: State): string;
}

/** An order that explains the history, or the longest one that explains a part of it. */
type Order<Operation> = { isComplete: boolean; order: Operation[] };

/**
 * Whether a history of concurrent operations is linearizable: each took effect at one instant between
 * its call and its return, and one after the other they were answered as the model answers. An operation
 * that was never answered may have taken effect at any time after its call, or not at all.
 *
 * The search of Wing and Gong: the next in order is one that was called before any other that is left
 * returned. With Lowe's memory: the same operations done and the same state reached is never searched twice.
 */
export function findOrder<State, Operation extends Timed>(
  model: Model<State, Operation>,
  history: readonly Operation[],
): Order<Operation> {
  const answered = history.filter(isAnswered).length;
  const seen = new Set<string>();
  const order: Operation[] = [];
  let longest: Operation[] = [];

  function search(state: State, left: readonly Operation[], done: bigint): boolean {
    const count = order.filter(isAnswered).length;
    if (count > longest.length) longest = [...order];
    if (count === answered) return true;
    const key = `${done} ${model.keyOf(state)}`;
    if (seen.has(key)) return false;
    seen.add(key);

    const firstReturn = Math.min(...left.map(operation => operation.returnedAt));
    for (const operation of left) {
      if (operation.calledAt > firstReturn) continue;
      const next = model.step(state, operation);
      if (next === null) continue;
      order.push(operation);
      const rest = left.filter(other => other !== operation);
      if (search(next, rest, done | (1n << BigInt(history.indexOf(operation))))) return true;
      order.pop();
    }
    return false;
  }

  const isComplete = search(model.start, history, 0n);
  return { isComplete, order: isComplete ? order : longest };
}

const isAnswered = (operation: Timed): boolean => operation.returnedAt !== Number.POSITIVE_INFINITY;
