import { latencyMs, type Response, show } from './calls.ts';
import { latency, reads } from './counts.ts';

/** Counts an answer to a read, expected when its status is one of those listed and `isRight` finds it so. */
export function countRead(
  response: Response,
  statuses: number[] = [200],
  isRight: (response: Response) => boolean = () => true,
): Response {
  const isExpected = statuses.includes(response.status) && isRight(response);
  reads[isExpected ? 'answered' : 'unexpected'].add(1);
  latency.read.add(latencyMs(response));
  if (!isExpected) show('a read', response);
  return response;
}
