import { connect } from 'node:net';

/** An answer as it came over the wire. Header names are in lower case. */
export type RawAnswer = { status: number; headers: Record<string, string>; body: string };

const answerWithinMs = 15_000;

/**
 * Writes bytes to a server and reads until it closes the connection, for requests that no client
 * library would send. Ask for `Connection: close`.
 * @param parts are written one after another, each once the one before was taken; a number is a
 * pause of so many milliseconds
 * @throws Error when the server has neither answered nor closed in time
 */
export async function exchangeRaw(base: string, ...parts: (string | Buffer | number)[]): Promise<RawAnswer> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', chunk => chunks.push(chunk));
    socket.once('close', () => resolve());
    // A server that has answered may close before it has read all of a request.
    socket.once('error', error => (chunks.length > 0 ? resolve() : reject(error)));
    socket.setTimeout(answerWithinMs, () => {
      socket.destroy();
      reject(new Error(`no answer within ${answerWithinMs} ms`));
    });
  });
  ended.catch(() => {});
  for (const part of parts) {
    if (typeof part === 'number') await new Promise(resolve => setTimeout(resolve, part));
    else if (!socket.destroyed) await new Promise(resolve => socket.write(part, resolve));
  }
  await ended;
  return parse(Buffer.concat(chunks).toString('utf8'));
}

function parse(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map(line => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(end + 4) };
}
