"""Random legal programs over the shipped vocabulary, for tests and measurements of the jail."""

from __future__ import annotations

import random

NUMBERS = ["0", "1", "2", "3", "5", "7", "10", "15", "100", "True", "False", "None"]
TEXTS = ['"hello"', '"world"', '"fizz"', '" "', '""']
BINARY = ["+", "-", "*", "/", "//", "%"]
COMPARISONS = ["==", "!=", "<", ">", "<=", ">=", "in"]
BUILTINS = ["range", "len", "sum", "max", "min", "abs", "sorted", "str", "int"]
VARIABLES = ["var_a", "var_b", "var_c", "var_d", "var_e"]
FUNCTIONS = ["func_a", "func_b"]


class Writer:
    """Writes one program; what it mentions is defined somewhere before, though perhaps in a branch not taken."""

    def __init__(self, generator: random.Random):
        self.random = generator
        self.variables: list[str] = []
        self.functions: dict[str, int] = {}
        self.left = generator.randint(4, 40)

    def expression(self, depth: int = 0) -> str:
        self.left -= 1
        pick = self.random.random()
        if depth > 3 or self.left < 0 or pick < 0.35:
            return self.random.choice(self.variables * 2 + NUMBERS[:9] + [self.random.choice(NUMBERS + TEXTS)])
        if pick < 0.6:  # mostly numbers, or next to nothing would get anywhere
            return f"({self.expression(depth + 1)} {self.random.choice(BINARY)} {self.expression(depth + 1)})"
        if pick < 0.68:
            return f"({self.expression(depth + 1)} {self.random.choice(COMPARISONS)} {self.expression(depth + 1)})"
        if pick < 0.72:
            return f"({self.expression(depth + 1)} {self.random.choice(['and', 'or'])} {self.expression(depth + 1)})"
        if pick < 0.76:
            return f"({self.random.choice(['not ', '-'])}{self.expression(depth + 1)})"
        if pick < 0.82:
            return f"[{', '.join(self.expression(depth + 1) for _ in range(self.random.randint(0, 3)))}]"
        if pick < 0.86 and self.variables:
            index = self.random.choice(["{}", "{}:", ":{}", "::{}", "{}:3"]).format(self.expression(depth + 1))
            return f"{self.random.choice(self.variables)}[{index}]"
        if pick < 0.9 and self.functions:
            name = self.random.choice(list(self.functions))
            return f"{name}({', '.join(self.expression(depth + 1) for _ in range(self.functions[name]))})"
        name = self.random.choice(BUILTINS)
        if self.random.random() < 0.1:
            return f"{name}({self.expression(depth + 1)}, {self.expression(depth + 1)})"
        if name in ("len", "sum", "max", "min", "sorted") and self.random.random() < 0.8:
            return f"{name}({self.sequence(depth + 1)})"
        return f"{name}({self.expression(depth + 1)})"

    def sequence(self, depth: int) -> str:
        if self.random.random() < 0.4:
            return f"range({self.expression(depth + 1)})"
        return f"[{', '.join(self.expression(depth + 1) for _ in range(self.random.randint(1, 4)))}]"

    def block(self, indent: str, depth: int, inside: bool) -> str:
        lines = [self.statement(indent, depth, inside) for _ in range(self.random.randint(1, 3))]
        return "".join(lines)

    def statement(self, indent: str, depth: int, inside: bool) -> str:
        pick = self.random.random()
        if depth < 3 and self.left > 0:
            if pick < 0.1:
                head = f"{indent}if {self.expression()}:\n{self.block(indent + '    ', depth + 1, inside)}"
                if self.random.random() < 0.4:
                    head += f"{indent}else:\n{self.block(indent + '    ', depth + 1, inside)}"
                return head
            if pick < 0.2:
                return f"{indent}while {self.expression()}:\n{self.block(indent + '    ', depth + 1, inside)}"
            if pick < 0.35:
                iterable = self.sequence(0) if self.random.random() < 0.8 else self.expression()
                name = self._target()
                return f"{indent}for {name} in {iterable}:\n{self.block(indent + '    ', depth + 1, inside)}"
            if pick < 0.42 and not inside:
                return self._definition(indent, depth)
        if pick < 0.6:
            return f"{indent}print({', '.join(self.expression() for _ in range(self.random.randint(0, 2)))})\n"
        if pick < 0.66 and self.variables:
            return f"{indent}{self.random.choice(self.variables)} += {self.expression()}\n"
        if pick < 0.7 and self.variables:
            operator = self.random.choice(["=", "+="])
            return f"{indent}{self.random.choice(self.variables)}[{self.expression()}] {operator} {self.expression()}\n"
        if pick < 0.76 and inside:
            return f"{indent}return {self.expression()}\n"
        value = self.expression()
        return f"{indent}{self._target()} = {value}\n"

    def _target(self) -> str:
        name = self.random.choice(VARIABLES)
        if name not in self.variables:
            self.variables.append(name)
        return name

    def _definition(self, indent: str, depth: int) -> str:
        name = self.random.choice(FUNCTIONS)
        parameters = self.random.sample(VARIABLES, self.random.randint(0, 2))
        self.functions[name] = len(parameters)
        outside, self.variables = self.variables, list(parameters)
        body = self.block(indent + "    ", depth + 1, True)
        self.variables = outside
        return f"{indent}def {name}({', '.join(parameters)}):\n{body}"


def program(generator: random.Random) -> str:
    """One random program of at most some 100 tokens."""
    writer = Writer(generator)
    text = writer.statement("", 0, False)
    while writer.left > 0:
        text += writer.statement("", 0, False)
    return text


def programs(count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [program(generator) for _ in range(count)]
