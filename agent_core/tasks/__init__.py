"""What is asked of a program."""
