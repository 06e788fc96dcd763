export { reasons } from './attempt.ts';
export { type DeadLetter, listDeadLetters, replayDeadLetters } from './dead-letters.ts';
export { openUsageLog, type UsageLog, usageLogLimits } from './usage-log.ts';
export { validateSettings } from './validate.ts';
