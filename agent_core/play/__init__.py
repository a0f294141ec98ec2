"""Asking itself: programs that are written for no task, and what they turn out to do."""
