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
    return _finished(Writer(generator))


def _finished(writer: Writer) -> str:
    text = writer.statement("", 0, False)
    while writer.left > 0:
        text += writer.statement("", 0, False)
    return text


def programs(count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [program(generator) for _ in range(count)]


class WiderWriter(Writer):
    """Writes also what the first vocabulary has no words for: lambda, map, filter, key, dicts, sets, methods, math.

    Iterators are always used up at once, since they show themselves otherwise than in plain Python.
    """

    IN_PLACE = ["+=", "-=", "*=", "//=", "%=", "|=", "&=", "^=", "**=", "<<=", ">>="]
    KEYS = ["abs", "len", "str", "lambda {0}: -{0}", "lambda {0}: {0} % 3", "lambda {0}: [{0}, 1]", "lambda {0}: {1}"]
    TEXT_METHODS = ["upper()", "lower()", "split()", "strip()", "isdigit()", "isalpha()", "isupper()", "islower()"]
    TEXT_METHODS += ["replace('l', '')", "replace('', '-')", "replace('o', 'oo', 1)", "startswith('h')", "count('l')"]
    TEXT_METHODS += ["find('o')", "split('l')", "endswith('d')", "join(['a', 'b'])"]

    def expression(self, depth: int = 0) -> str:
        pick = self.random.random()
        if depth > 3 or self.left < 0 or pick < 0.5:
            return super().expression(depth)
        self.left -= 2
        one, other = self.expression(depth + 1), self.expression(depth + 1)
        forms = [
            lambda: (
                f"sorted({self.sequence(depth)}, key={self._key(one)}, reverse={self.random.choice(['True', 'False'])})"
            ),
            lambda: f"{self.random.choice(['min', 'max'])}({self.sequence(depth)}, key={self._key(one)})",
            lambda: f"list(map({self._key(one)}, {self.sequence(depth)}))",
            lambda: f"list(map(lambda x, y: x {self.random.choice(BINARY)} y, {one}, {self.sequence(depth)}))",
            lambda: f"list(filter({self.random.choice(['None', self._key(one)])}, {self.sequence(depth)}))",
            lambda: f"(lambda x, y=2: x {self.random.choice(BINARY)} y)({one})",
            lambda: f"[x {self.random.choice(BINARY)} {one} for x in {self.sequence(depth)} if x != {other}]",
            lambda: f"{self.random.choice(['sqrt', 'floor', 'ceil', 'round', 'any', 'all'])}({one})",
            lambda: (
                f"({one} {self.random.choice(['**', '|', '&', '^', '<<', '>>'])} {self.random.choice(NUMBERS[:6])})"
            ),
            lambda: f"list({self.random.choice(['enumerate', 'reversed'])}({self.sequence(depth)}))",
            lambda: f"list(zip({self.sequence(depth)}, {one}))",
            lambda: f"{self.random.choice(TEXTS)}.{self.random.choice(self.TEXT_METHODS)}",
            lambda: f"{{{one}: {other}, {self.random.choice(NUMBERS)}: pi}}",
            lambda: f"{self._dict(one)}.get({other})",
            lambda: f"{self.random.choice(['list', 'sorted', 'len', 'sum', 'str'])}({self._dict(one)}.{self._view()})",
            lambda: f"({other} in {self._dict(one)}.{self._view()})",
            lambda: f"{self._dict(one)}[{other}]",
            lambda: f"{self.random.choice(['len', 'sorted', 'sum', 'min', 'max', 'any'])}({self._set(depth, other)})",
            lambda: f"({other} in {self._set(depth, one)})",
            lambda: f"({self._set(depth, one)} {self.random.choice(['==', '<=', '<'])} {self._set(depth, other)})",
        ]
        return self.random.choice(forms)()

    def statement(self, indent: str, depth: int, inside: bool) -> str:
        pick = self.random.random()
        if self.variables and pick < 0.2:
            self.left -= 2
            target = self.random.choice(self.variables)
            value, operator = self.expression(), self.random.choice(self.IN_PLACE)
            if pick < 0.08:
                return f"{indent}{target} {operator} {value}\n"
            if pick < 0.14:
                return f"{indent}{target}[{self.expression()}] {operator} {value}\n"
            return f"{indent}{target}.{self.random.choice(['append', 'extend', 'add', 'remove'])}({value})\n"
        return super().statement(indent, depth, inside)

    def _key(self, value: str) -> str:
        return self.random.choice(self.KEYS).format("x", value)

    def _dict(self, value: str) -> str:
        return f"{{1: {value}, 'a': 2, {value}: 3}}"

    def _view(self) -> str:
        return self.random.choice(["keys()", "values()", "items()"])

    def _set(self, depth: int, value: str) -> str:
        operator = self.random.choice(["&", "|", "-", "^"])
        return f"(set({self.sequence(depth)}) {operator} set([1, 2, {value}]))"


def wider_programs(count: int, seed: int) -> list[str]:
    """Random programs over the wider language."""
    generator = random.Random(seed)
    return [_finished(WiderWriter(generator)) for _ in range(count)]
