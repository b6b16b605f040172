"""Speak to a FHIR server: carefully, to the one origin that was configured, and never twice what must happen once."""
