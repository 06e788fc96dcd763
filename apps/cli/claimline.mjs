#!/usr/bin/env node
// The command line as `npx claimline`: loads TypeScript on every Node that is supported.
import 'tsx';

await import('./main.ts');
