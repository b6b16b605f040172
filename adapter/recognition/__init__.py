"""From a LabResult as reported to a MarkerResult as understood."""
