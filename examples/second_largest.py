"""A reference function beside a few calls: its answers to made inputs become the cases."""


def second_largest(numbers):
    """The second largest of at least two numbers; one that comes twice counts twice."""
    numbers = list(numbers)
    numbers.remove(max(numbers))
    return max(numbers)


second_largest([3, 1, 2])
second_largest([5, 5, 1])
second_largest([-4, -9])
second_largest([10, 0, 7, 30, 7])
second_largest([100, 20, 3, 4, 50, 6])
