/** One server-sent event. */
export interface StreamEvent {
  event: string;
  data: Record<string, unknown>;
}

/** A stream of server-sent events that is being read. */
export interface EventStream {
  status: number;
  headers: Headers;
  /** The events so far. */
  events: StreamEvent[];
  /** Settles when the server has closed the stream, with all its events. */
  closed: Promise<StreamEvent[]>;
}

/** Opens a stream and reads it until the server closes it. */
export async function readEvents(address: string): Promise<EventStream> {
  const response = await fetch(address, {
    headers: { accept: 'text/event-stream' },
    signal: AbortSignal.timeout(60_000),
  });
  const events: StreamEvent[] = [];
  return { status: response.status, headers: response.headers, events, closed: readAll(response, events) };
}

async function readAll(response: Response, events: StreamEvent[]): Promise<StreamEvent[]> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    events.push(...blocks.flatMap(parseEvent));
  }
  return events;
}

/** A block of only comments, such as a heartbeat, is no event. */
function parseEvent(block: string): StreamEvent[] {
  const field = (name: string) =>
    block
      .split('\n')
      .filter(line => line.startsWith(`${name}:`))
      .map(line => line.slice(name.length + 1).trimStart())
      .join('\n');
  const data = field('data');
  return data
    ? [{ event: field('event') || 'message', data: JSON.parse(data) as Record<string, unknown> }]
    : [];
}
