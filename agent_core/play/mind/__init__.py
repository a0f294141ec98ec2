"""What is kept between tasks: the network that sees examples, and how it learns from what programs did."""
