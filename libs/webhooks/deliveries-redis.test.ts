import { deliveriesSuite } from './deliveries.testsuite.ts';

deliveriesSuite('redis');
