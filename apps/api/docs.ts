import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createDocument } from '@claimline/http/openapi';
import { reply, replyRaw } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { header } from '@claimline/http/scope';
import { problems } from '@claimline/kernel/error';
import { z } from 'zod';
import { VERSION } from '../version.ts';
import { operationNotes, tags } from './operation-notes.ts';

/** Scalar needs inline styles; scripts come from here only, and nothing is fetched from elsewhere. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'";

const referencePage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Claimline API reference</title><link rel="icon" href="data:,"></head>
<body>
<script id="api-reference" data-url="/openapi.json" data-configuration='{"withDefaultFonts":false,"telemetry":false,"hideClientButton":true,"showDeveloperTools":"never","agent":{"disabled":true}}'></script>
<script src="/docs/scalar.js"></script>
</body></html>`;

/** Scalar's browser build, 1 MB; see vendor/README.md. */
const bundle = readFileSync(new URL('./vendor/scalar-api-reference.js.gz', import.meta.url));

const pageHeaders = {
  'Content-Type': 'text/html; charset=UTF-8',
  'Cache-Control': 'no-cache',
  'Content-Security-Policy': pagePolicy,
};

/** The OpenAPI document, the reference that shows it, and what each problem code means. */
export function mountDocs(router: Router) {
  const { registry } = router;
  let document: unknown;
  let plain: ReturnType<typeof gunzipSync> | undefined;

  router.add(
    {
      method: 'get',
      path: '/openapi.json',
      id: 'openapi',
      tag: 'Reference',
      summary: 'This API as an OpenAPI 3.1 document',
      access: 'public',
      answers: { 200: { description: 'The document', schema: z.looseObject({ openapi: z.string() }) } },
    },
    ({ c }) => {
      document ??= createDocument(registry, { version: VERSION, notes: operationNotes, tags });
      return reply(c, 200, document, { 'Cache-Control': 'no-cache' });
    },
  );
  addPage('/docs', 'docs', 'The API reference, for people', () => referencePage);
  addPage('/docs/problems', 'problems', 'What each problem code means', problemsPage);
  router.addAsset('/docs/scalar.js', c => {
    const isGzip = header(c, 'accept-encoding')?.includes('gzip') ?? false;
    return replyRaw(c, 200, isGzip ? bundle : unpackedBundle(), {
      'Content-Type': 'text/javascript; charset=UTF-8',
      'Cache-Control': 'public, max-age=86400',
      Vary: 'Accept-Encoding',
      ...(isGzip && { 'Content-Encoding': 'gzip' }),
    });
  });

  /** Unpacked once: it takes 25 ms, which nobody should be able to ask for again and again. */
  function unpackedBundle() {
    plain ??= gunzipSync(bundle);
    return plain;
  }

  function addPage(path: string, id: string, summary: string, toPage: () => string) {
    const answers = { 200: { description: 'A page', schema: z.string(), type: 'text/html' } };
    router.add({ method: 'get', path, id, tag: 'Reference', summary, access: 'public', answers }, ({ c }) =>
      replyRaw(c, 200, toPage(), pageHeaders),
    );
  }
}

function problemsPage(): string {
  const rows = Object.entries(problems).map(
    ([code, { status, title }]) =>
      `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${title}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Claimline problem codes</title><link rel="icon" href="data:,">
<style>body{font-family:sans-serif;margin:2rem;max-width:60rem}td,th{padding:.4rem 1rem .4rem 0;text-align:left}
tr:target{background:#ffd}</style></head>
<body><h1>Problem codes</h1><p>Every error names one of these in <code>code</code>.</p>
<table><tr><th>Code</th><th>Status</th><th>Meaning</th></tr>${rows.join('\n')}</table></body></html>`;
}
