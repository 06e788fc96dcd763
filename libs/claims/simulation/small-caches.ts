import { directoryLimits } from '@claimline/coupons';
import { queueLimits } from '@claimline/queue/engine';
import { platformLimits } from '@claimline/queue/platforms';
import { gateLimits } from '../gate.ts';
import { outcomesLimits } from '../outcomes.ts';
import { readerLimits } from '../read-ticket.ts';
import { trainLimits } from '../train.ts';

const entriesMost = 500;

/**
 * Makes the caches of a process small, until the tests of the file are over: a cache takes its memory
 * when it is made, which was three quarters of a run's time.
 */
export function makeCachesSmall(): void {
  const [most, queuesOpen] = [entriesMost, entriesMost];
  Object.assign(directoryLimits, { namesMost: most });
  Object.assign(queueLimits, { queuesOpen });
  Object.assign(gateLimits, { couponsMost: most, justDecidedMost: most });
  Object.assign(outcomesLimits, { ticketsMost: most, couponsMost: most });
  Object.assign(readerLimits, { namesMost: most });
  Object.assign(trainLimits, { lanesMost: most });
  Object.assign(platformLimits, { platformsMost: most });
}
