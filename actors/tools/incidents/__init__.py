"""What happened: trackers in many forms, read once, judged by rules."""
