import type { Exit } from '../child.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';

const stoppedWithinMs = 30_000;

/** Every process is stopped by SIGTERM and started again, over and over, an API and a worker at a time. */
export const rollingRestart: Fault = {
  id: 'F11',
  title: 'SIGTERM of each process in turn, and started again',
  engines: ['redis', 'postgres'],
  async run(arena) {
    const { stack, sized } = arena;
    const crowd = await arena.crowd();
    const stops: number[] = [];
    for (let round = 0; round < sized(1, 2, 20); round++)
      for (const index of stack.living().apis.keys()) {
        const [oldest] = stack.living().workers as [number];
        const sinceMs = Date.now();
        await Promise.all([
          stop(arena, `API ${index}`, stops, () => stack.killApi(index, 'SIGTERM')).then(() =>
            stack.startApi(),
          ),
          stop(arena, `worker ${oldest}`, stops, () => {
            stack.startWorker();
            return stack.killWorker(oldest, 'SIGTERM');
          }),
        ]);
        await crowd.recovers(sinceMs);
      }
    await crowd.seeOut();
    arena.figure(`the longest stop took ${Math.round(Math.max(...stops))} ms`);
  },
};

/** A stop is tidy when the process ends by itself, with code 0, in time. */
async function stop(
  { injected, finding }: Arena,
  name: string,
  stops: number[],
  kill: () => Promise<Exit | undefined>,
): Promise<void> {
  injected(`${name} stopped`);
  const askedMs = performance.now();
  const exit = await kill();
  stops.push(performance.now() - askedMs);
  if (exit?.code !== 0) finding(`${name} ended with ${JSON.stringify(exit)}`);
  if (stops.at(-1)! > stoppedWithinMs) finding(`${name} took ${stops.at(-1)} ms to stop`);
}
