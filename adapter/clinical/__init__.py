"""Facts as a clinician knows them: values, times, results, patients, assessments. No FHIR, no files, no clock."""
