"""The agent: what it writes, how it is judged, how it learns."""
