"""The joint pathway and the open engines: from a PatientProfile to an Assessment."""
