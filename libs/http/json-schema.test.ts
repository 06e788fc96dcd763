import { expect, test } from 'vitest';
import { z } from 'zod';
import { metadata, time } from './fields.ts';
import { toJsonSchema } from './json-schema.ts';

const inner = z.object({ at: time(), count: z.int() }).meta({ id: 'SchemaTestInner' });
const outer = z
  .object({ data: z.array(inner), notes: metadata().optional() })
  .meta({ id: 'SchemaTestOuter' });

test('schemas with an id become components, wherever they are', () => {
  const components = {};
  expect(toJsonSchema(outer, 'output', components)).toEqual({ $ref: '#/components/schemas/SchemaTestOuter' });
  expect(components).toEqual({
    SchemaTestOuter: {
      type: 'object',
      properties: {
        data: { type: 'array', items: { $ref: '#/components/schemas/SchemaTestInner' } },
        notes: { type: 'object', additionalProperties: {} },
      },
      required: ['data'],
    },
    SchemaTestInner: {
      type: 'object',
      properties: { at: { type: 'string', format: 'date-time' }, count: { type: 'integer' } },
      required: ['at', 'count'],
    },
  });
});

test('a field with a default may be left out by who asks, and is there in an answer', () => {
  const schema = z.strictObject({ limit: z.number().default(1) });
  expect(toJsonSchema(schema, 'input', {})).not.toHaveProperty('required');
  expect(toJsonSchema(schema, 'output', {})).toMatchObject({
    required: ['limit'],
    additionalProperties: false,
  });
});
