"""What stays: what was tried, what was learned, what a run leaves behind."""
