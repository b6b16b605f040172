"""What stops the run, and who must act on it."""

from __future__ import annotations


class AdapterError(Exception):
    """The run cannot go on; the class says who must act."""


class SettingsInvalid(AdapterError):
    """The operator must change a setting or an argument."""


class MappingsInvalid(AdapterError):
    """The author of the mappings must mend a file: the text names the file, the key and what was expected."""


class InputUnreadable(AdapterError):
    """The sender must send other bytes: they are no JSON, no FHIR, or beyond the limits."""


class OutputRefused(AdapterError):
    """The operator must choose another place to write, or allow overwriting."""
