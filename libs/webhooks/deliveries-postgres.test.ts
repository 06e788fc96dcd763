import { deliveriesSuite } from './deliveries.testsuite.ts';

deliveriesSuite('postgres');
