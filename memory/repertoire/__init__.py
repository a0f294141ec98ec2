"""What programs did: behaviours, each with the shortest program that is known for it."""
