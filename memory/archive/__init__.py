"""What was tried: the score of each program, how often each behaviour was seen, and the best of each niche."""
