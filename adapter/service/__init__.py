"""Stand beside a FHIR server for months: be told what changed, lose nothing, and show that all is well."""
