"""The metrics specialist: its prompt, and its rules for the offline model."""
