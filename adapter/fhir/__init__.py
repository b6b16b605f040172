"""FHIR shapes in and out; nothing outside this room knows them."""
