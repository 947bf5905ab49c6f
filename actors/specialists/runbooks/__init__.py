"""The runbooks specialist: its prompt, and its rules for the offline model."""
