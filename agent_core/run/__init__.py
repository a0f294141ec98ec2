"""One run on screen and disk."""
