/**
 * Runs `step` when it is woken, one run at a time; a wake during a run makes one more run after it, however
 * many they are. A run that fails is told, and is made up for by whoever wakes next.
 */
export function createRounds(step: () => Promise<unknown>, onError: (error: Error) => void) {
  let round: Promise<void> = Promise.resolve();
  let waits = false;
  let stopped = false;
  return {
    wake(): void {
      if (waits || stopped) return;
      waits = true;
      round = round.then(async () => {
        waits = false;
        await step().catch(onError);
      });
    },
    /** Makes no more runs, and resolves when the one under way is over. */
    stop(): Promise<void> {
      stopped = true;
      return round;
    },
  };
}
