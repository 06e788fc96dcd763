import { connect, createServer, type Socket } from 'node:net';

/** A way to a database that answers late. */
export interface FarDatabase {
  url: string;
  /** May be changed at any time. */
  delayMs: number;
  end(): Promise<void>;
}

/**
 * Puts a database `delayMs` away: what it says, notifications too, arrives that much later and in order.
 * A change made beside this way is then committed well before anybody behind it can have heard of it.
 */
export async function openFarDatabase(url: string, delayMs: number): Promise<FarDatabase> {
  const near = new URL(url);
  const way = { delayMs };
  const sockets = new Set<Socket>();
  const keep = (socket: Socket, peer: () => Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => peer().destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      peer().destroy();
    });
  };
  const server = createServer(client => {
    const database = connect(Number(near.port), near.hostname);
    keep(client, () => database);
    keep(database, () => client);
    client.on('data', bytes => database.write(bytes));
    database.on('data', bytes => setTimeout(() => client.writable && client.write(bytes), way.delayMs));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const far = new URL(url);
  far.port = String(typeof address === 'object' && address ? address.port : 0);
  return Object.assign(way, {
    url: far.href,
    end(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      return new Promise(resolve => server.close(() => resolve()));
    },
  });
}
