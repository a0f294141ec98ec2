"""What a program earned."""
