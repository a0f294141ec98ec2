"""What is saved, so that a run goes on exactly."""
