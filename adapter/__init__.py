"""A FHIR adapter for osteoporosis."""
