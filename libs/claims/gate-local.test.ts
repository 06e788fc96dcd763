import { describe } from 'vitest';
import { gateSuite } from './gate.testsuite.ts';
import { createLocalGate } from './gate-local.ts';

describe('the gate in this process', () => {
  const gate = createLocalGate();
  gateSuite(() => gate);
});
