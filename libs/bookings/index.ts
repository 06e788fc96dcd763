export { type Point, points } from './house.ts';
