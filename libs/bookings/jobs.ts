export { pruneNotices } from './notice.ts';
export { resumePayments } from './sweep.ts';
