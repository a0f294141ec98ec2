"""What the agent can do, measured: run by hand, not by the tests."""
