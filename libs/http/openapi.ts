import { type OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { problems } from '@claimline/kernel/error';
import { z } from 'zod';

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(problems) as [string, ...string[]]),
    error: z.string().describe('One sentence, for clients that read only that.'),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    ticket: z.string().optional().describe('With `already_claimed`: the ticket of the claim that is held.'),
  })
  .meta({ id: 'Problem' });

/** The OpenAPI 3.1 document of the registered routes. */
export function createDocument(registry: OpenAPIRegistry, version: string) {
  registry.register('Problem', problemSchema);
  registry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An operator key. Not needed on a loopback address when none is configured.',
  });
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Claimline',
      version,
      description:
        'Hands out limited stock under a stampede: claim, hold a ticket, learn the outcome. ' +
        'Errors are RFC 9457 problem details with a `code` from a closed list.',
    },
    servers: [{ url: '/' }],
  });
}
