"""The assessment as a page to look at: where each result lies, and how it went over time."""
