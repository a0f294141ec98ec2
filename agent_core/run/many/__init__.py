"""Many tasks in one run."""
