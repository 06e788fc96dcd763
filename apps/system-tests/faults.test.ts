import { onEachEngine } from './engines.ts';
import { deadWorkers } from './faults/dead-workers.ts';
import { lostStores } from './faults/lost-stores.ts';
import { tidyStops } from './faults/tidy-stops.ts';

onEachEngine({ apis: 2, workers: 2 }, (stack, engine) => {
  deadWorkers(stack);
  tidyStops(stack);
  lostStores(stack, engine);
});
