import { describe, expect, it } from 'vitest';
import { measureAnswer } from './answer.ts';

const answers = {
  sized: 'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nbody',
  chunked:
    'HTTP/1.1 409 Conflict\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n',
  trailed: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n',
  empty: 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
};

describe('measureAnswer', () => {
  it.each(Object.entries(answers))('measures a %s answer only when all of it has come', (_name, text) => {
    for (let length = 0; length < text.length; length++) {
      expect(measureAnswer(Buffer.from(text.slice(0, length)))).toBeUndefined();
    }
    const answer = measureAnswer(Buffer.from(`${text}HTTP/1.1 500`));
    expect(answer?.length).toBe(text.length);
    expect(answer?.status).toBe(Number(text.slice(9, 12)));
  });

  it('tells where the body begins and whether the connection closes', () => {
    expect(measureAnswer(Buffer.from(answers.sized))).toMatchObject({
      bodyOffset: answers.sized.indexOf('body'),
      closes: false,
    });
    expect(measureAnswer(Buffer.from(answers.empty))).toMatchObject({ closes: true });
  });

  it('throws on what it does not understand', () => {
    expect(() => measureAnswer(Buffer.from('SSH-2.0-x\r\n\r\n'))).toThrow('not an HTTP/1.1 answer');
    expect(() => measureAnswer(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow('without a length');
  });
});
