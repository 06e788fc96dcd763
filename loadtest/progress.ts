import cliProgress from 'cli-progress';

/** Shows how far a run has come, on standard error: a bar where somebody watches, else a line for each step. */
export type Progress = {
  /** Something begins that takes about `seconds`; until then the bar moves by the clock. */
  step(label: string, seconds: number): void;
  /** A line to read, above the bar. */
  tell(text: string): void;
  stop(): void;
};

const TICK_MS = 500;
const FORMAT = ' {bar} {percentage} % | about {left} left | {label}';

/** @param totalSeconds the sum of what all steps are expected to take */
export function startProgress(totalSeconds: number): Progress {
  return process.stderr.isTTY ? startBar(totalSeconds) : startLines();
}

function startLines(): Progress {
  const tell = (text: string) => process.stderr.write(`${text}\n`);
  return { step: label => tell(`... ${label}`), tell, stop: () => {} };
}

function startBar(totalSeconds: number): Progress {
  const bars = new cliProgress.MultiBar(
    { format: FORMAT, stream: process.stderr, hideCursor: true, clearOnComplete: true, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
  const bar = bars.create(totalSeconds, 0, { label: '', left: '' });
  let doneSeconds = 0;
  let current = { label: '', seconds: 0, startMs: performance.now() };

  function draw(): void {
    const elapsed = (performance.now() - current.startMs) / 1000;
    const value = Math.min(totalSeconds, doneSeconds + Math.min(elapsed, current.seconds));
    bar.update(value, { label: current.label, left: formatSeconds(totalSeconds - value) });
  }

  const timer = setInterval(draw, TICK_MS);
  // Also when a signal ends the run: the cursor is hidden meanwhile.
  process.once('exit', stop);
  let isStopped = false;
  function stop(): void {
    if (isStopped) return;
    isStopped = true;
    clearInterval(timer);
    bars.stop();
  }
  return {
    step(label, seconds) {
      doneSeconds += current.seconds;
      current = { label, seconds, startMs: performance.now() };
      draw();
    },
    tell: text => bars.log(`${text}\n`),
    stop,
  };
}

/** A duration as minutes and seconds, e.g. `4:05`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
