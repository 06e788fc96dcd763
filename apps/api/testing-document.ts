import { z } from 'zod';

export type Json = Record<string, unknown>;
type Content = Record<string, { schema?: Json; example?: unknown }>;
type Said = { description: string; headers?: Json; content?: Content };
export type Operation = {
  operationId: string;
  tags: string[];
  parameters?: { name: string; in: string; schema: Json }[];
  requestBody?: { content: Content };
  responses: Record<string, Said>;
};
/** What the tests read of the OpenAPI document. */
export type Document = {
  openapi: string;
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Json; headers: Json };
};

/** The check that a schema of the document stands for; fields that it does not name are refused. */
export function checkOf(document: Document, schema: Json): z.ZodType {
  const close = (text: string) =>
    JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/'), (_key, node) =>
      node?.type === 'object' && node.properties && node.additionalProperties === undefined
        ? { ...node, additionalProperties: false }
        : node,
    );
  return z.fromJSONSchema(close(JSON.stringify({ ...schema, $defs: document.components.schemas })));
}

/** Every operation with its call, such as `GET /health`. */
export function operationsOf({ paths }: Document): [call: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}
