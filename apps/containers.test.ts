import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
/** A service of docker-compose.yml, as it stands there. */
const service = (name: string) =>
  new RegExp(`^  ${name}:\\n((?:    .*\\n|\\n)+)`, 'm').exec(read('docker-compose.yml'))?.[1] ?? '';

test('whether a container is healthy depends on its own process and on no store', () => {
  const asked = /^HEALTHCHECK (?:.*\\\n)*.*fetch\(`http:\/\/127\.0\.0\.1:\$\{process\.env\.PORT\}(\/\w+)`/m;
  expect(asked.exec(read('Dockerfile'))?.[1]).toBe('/livez');
  expect(service('api')).not.toContain('healthcheck');
  const port = /WORKER_PORT: "(\d+)"/.exec(service('worker'))?.[1];
  expect(service('worker')).toContain(`fetch('http://127.0.0.1:${port}/livez')`);
});

test('Prometheus can reach the workers from the network of docker compose, and nobody from outside', () => {
  expect(service('worker')).toMatch(/HOST: 0\.0\.0\.0\n +WORKER_PORT: "3001"\n +expose: \["3001"\]\n/);
  expect(service('worker')).not.toContain('ports:');
});
