"""One run on many ranks."""
