import { z } from 'zod';

type Json = Record<string, unknown>;

/**
 * A zod schema as OpenAPI 3.1 wants it, which is JSON Schema as zod writes it. Schemas with an `id`
 * are put into `components` and referred to; `io` is "input" for what a caller sends.
 */
export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output', components: Json): unknown {
  const { $schema: _, $defs, ...root } = z.toJSONSchema(schema, { io, override: simplify }) as Json;
  for (const [name, definition] of Object.entries($defs ?? {}))
    if (!isNamedByZod(name)) components[name] = withoutId(toComponents(definition));
  return toComponents(root);
}

/** Takes away what says nothing to a reader, and leaves room for fields that are added later. */
function simplify({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: Json }) {
  const { def } = zodSchema._zod;
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
  // A number that comes as text in a query: the pattern is of the text, and zod drops the default of what it converts.
  if (jsonSchema.type === 'integer') {
    delete jsonSchema.pattern;
    if (def.type === 'default') jsonSchema.default = def.defaultValue;
  }
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (def.type === 'record') delete jsonSchema.propertyNames;
  if (def.type === 'object' && !def.catchall) delete jsonSchema.additionalProperties;
}

/** Lets references point to the components. What zod had to name by itself is `z.json()`: any JSON value. */
function toComponents(value: unknown): Json {
  return JSON.parse(JSON.stringify(value), (_key, node) => {
    const target: unknown = node?.$ref;
    if (typeof target !== 'string' || !target.startsWith('#/$defs/')) return node;
    const name = target.slice('#/$defs/'.length);
    return isNamedByZod(name) ? {} : { $ref: `#/components/schemas/${name}` };
  });
}

function isNamedByZod(name: string): boolean {
  return name.startsWith('__schema');
}

function withoutId({ id: _, ...schema }: Json): Json {
  return schema;
}
