"""The doors: command line and, later, others."""
