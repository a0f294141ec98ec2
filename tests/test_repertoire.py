"""The repertoire keeps the shortest program of each behaviour, stays bounded, and leaves room for what is rare."""

import numpy
import pytest

from memory.repertoire.packing import pack, unpack
from memory.repertoire.places import Places
from memory.repertoire.repertoire import Behaviour, Repertoire
from memory.state.sealed import check_plain

TOKENS = ["<PAD>", "return", "var_a", "1", "+", "if", "while", "for", "func_a", "(", ")", "[", "]", ":", "len", "sum",
          "def", "and", "<", "NEWLINE", "<EOS>", "[for", "lambda", "key=", "{", "}", ".upper", "&",
          "INDENT", "DEDENT"]  # fmt: skip


def row(text):
    return tuple(TOKENS.index(word) for word in text.split())


def behaviour(program, question=0, whole=False):
    return Behaviour(question, program, 1, b"[]", whole)


def short_place(program):
    """Two places: by the first token."""
    return program[0]


def repertoire(limit=10, place_of=short_place):
    return Repertoire(limit, place_of, 0.9)


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("return func_a ( var_a ) NEWLINE <EOS>", "calls itself"),
        ("while var_a : NEWLINE <EOS>", "while"),
        ("if func_a ( 1 ) : NEWLINE <EOS>", "calls itself"),
        ("for var_a <EOS>", "for"),
        ("return var_a if 1 <EOS>", "if"),
        ("return var_a [ : 1 ] <EOS>", "slice"),
        ("return var_a [ 1 ] <EOS>", "item"),
        ("return [ var_a ] <EOS>", "plain"),
        ("return len ( var_a ) <EOS>", "len"),
        ("return len ( sum ( var_a ) ) <EOS>", "sum"),
        ("return var_a and 1 <EOS>", "logic"),
        ("return var_a < 1 <EOS>", "comparison"),
        ("return [for var_a var_a if 1 : var_a ] <EOS>", "comprehension with if"),
        ("return [for var_a var_a : var_a ] <EOS>", "comprehension"),
        ("return sum ( var_a key= lambda var_a : [for var_a var_a 1 ] ) <EOS>", "lambda"),
        ("return { 1 : var_a } [ 1 ] <EOS>", "dict"),
        ("return len ( var_a .upper ( ) ) <EOS>", "method"),
        ("return var_a & 1 < 1 <EOS>", "bits"),
        ("return var_a NEWLINE while var_a : NEWLINE INDENT return 1 NEWLINE DEDENT <EOS>", "plain"),
        ("if var_a : NEWLINE INDENT return 1 NEWLINE DEDENT return len ( var_a ) NEWLINE <EOS>", "if"),
        ("while var_a : NEWLINE INDENT return 1 NEWLINE DEDENT return func_a ( 1 ) NEWLINE <EOS>", "calls itself"),
        ("return [ var_a and func_a ( ) ] NEWLINE <EOS>", "logic"),
        ("return var_a + 1 <EOS>", "plain"),
        ("def func_a ( ) : NEWLINE func_a ( ) <EOS>", "def"),
    ],
)
def test_a_program_counts_as_the_rarest_construct_that_it_has(text, construct):
    places = Places(TOKENS)
    assert places.names[places.construct_of(row(text))] == construct


def test_programs_of_other_lengths_have_other_places():
    places = Places(TOKENS)
    found = {places.place_of(row("return var_a") + (3,) * more) for more in (0, 4, 8, 60, 100)}
    assert len(found) == 4  # the last two are both as long as it gets


def test_the_shortest_program_of_a_behaviour_is_kept():
    one = repertoire()
    assert one.add(7, behaviour((1, 2, 3)))
    assert not one.add(7, behaviour((1, 2, 4)))
    assert one.add(7, behaviour((2, 2)))
    assert one.get(7).program == (2, 2)
    assert len(one) == 1
    assert one.places == {2: 1}


def test_the_least_useful_of_the_fullest_place_goes():
    one = repertoire(limit=4)
    one.add(1, behaviour((1, 5), whole=True))
    one.add(2, behaviour((1, 5, 5), whole=False))
    one.add(3, behaviour((1, 5, 5, 5), whole=True))
    one.add(4, behaviour((2, 9, 9, 9, 9, 9)))
    assert one.add(5, behaviour((1, 6), whole=True))  # place 1 is the fullest: 2 goes, for it does not use all inputs
    assert one.dropped == [2]
    assert one.add(6, behaviour((1, 7), whole=True))  # then the longest
    assert one.dropped == [2, 3]
    assert not one.add(8, behaviour((1, 8), whole=False))  # the new one is the least useful
    assert sorted(one.keys) == [1, 4, 5, 6]


def test_what_is_to_be_kept_goes_last():
    one = repertoire(limit=3)
    one.keep(1, behaviour((1, 5, 5, 5)))
    one.keep(1, behaviour((1, 7, 7)))
    one.keep(1, behaviour((1, 7, 7, 7)))
    assert one.get(1).program == (1, 7, 7)
    for key in range(2, 9):
        one.add(key, behaviour((1, 8), whole=True))
    assert 1 in one
    assert len(one) == 3
    for key in range(10, 13):
        one.keep(key, behaviour((1, 8)))
    assert one.kept == {10, 11, 12}


def test_a_full_repertoire_never_exceeds_its_limit_and_keeps_what_is_rare():
    one, random = repertoire(limit=50), numpy.random.default_rng(0)
    one.add(10**6, behaviour((9, 9, 9, 9, 9, 9, 9)))
    for key in range(3_000):
        length = int(random.integers(1, 9))
        one.add(key % 700, behaviour((1 + int(random.integers(2)), *[3] * length)))
        assert len(one) <= 50
    assert 10**6 in one
    counts = one.places
    assert sum(counts.values()) == len(one) == len(one.keys) == len(set(one.keys))
    assert abs(counts[1] - counts[2]) <= 1
    assert all(one.places[short_place(one.get(key).program)] for key in one.keys)


def test_a_place_has_more_room_where_more_is_found_and_where_programs_are_shorter():
    def counts(finds, shortest):
        one = Repertoire(300, short_place, 0.9, shortest.__getitem__)
        for key in range(4_000):
            place = 1 if key % (1 + finds) else 2  # so many finds in place 1 for each in place 2
            one.add(key, behaviour((place, 4, 5)))
        return one.places

    alike = counts(1, [0, 0, 0])
    assert abs(alike[1] - alike[2]) <= 2
    more = counts(9, [0, 0, 0])
    assert more[1] / more[2] == pytest.approx(9**0.75, rel=0.1)
    shorter = counts(1, [0, 8, 16])
    assert shorter[1] / shorter[2] == pytest.approx(0.9 ** (-8 * 0.75), rel=0.05)


def test_chances_favour_the_short_and_give_every_place_its_share():
    one = repertoire(limit=100)
    for key in range(50):
        one.add(key, behaviour((1, 4, *[5] * (key % 5))))
    one.add(99, behaviour((2, 4)))
    chances = dict(zip(one.keys, one.chances(), strict=True))
    assert sum(chances.values()) == pytest.approx(1)
    assert chances[0] > chances[4]
    assert chances[99] > 0.25
    assert one.chances(question=3).sum() == 0


def test_chances_of_one_question_are_of_that_question_alone():
    one = repertoire()
    one.add(1, behaviour((1, 4), question=0))
    one.add(2, behaviour((1, 4), question=5))
    assert dict(zip(one.keys, one.chances(5), strict=True)) == {1: 0.0, 2: 1.0}


def every(rows):
    return [True] * len(rows)


def restored(one, limit=50, token_of=lambda program: program, question_of=lambda number: number, accepts=every):
    other = repertoire(limit)
    packed = pack(one)
    check_plain(packed, "the repertoire")
    return other, unpack(packed, other, token_of, question_of, accepts)


def full(limit=50):
    one, random = repertoire(limit), numpy.random.default_rng(1)
    for key in range(400):
        length = int(random.integers(1, 9))
        program = (1 + int(random.integers(3)), *[3] * length)
        one.add(int(random.integers(200)), Behaviour(key // 2 % 4, program, key % 7, b"[[%d],0]" % key, bool(key % 2)))
    return one


def test_what_was_found_where_comes_back_even_of_a_behaviour_that_has_moved():
    one = repertoire()
    one.add(7, behaviour((1, 4, 5)))
    one.add(7, behaviour((2, 4)))  # shorter, and in another place
    assert (one.finds, one.places) == ({1: 1}, {2: 1})
    other, _ = restored(one)
    assert (other.finds, other.places, other.clock) == (one.finds, one.places, 2)


def test_what_an_older_version_saved_without_finds_and_clock_comes_back():
    one, other = full(), repertoire(50)
    packed = pack(one)
    del packed["finds"], packed["clock"]
    unpack(packed, other, lambda program: program, lambda number: number, every)
    assert list(other.keys) == list(one.keys)
    assert other.finds == one.places
    assert other.clock > max(map(one.came, one.keys))


def test_the_clock_goes_on_even_if_the_latest_behaviour_has_gone():
    one = repertoire(limit=1)
    one.add(1, behaviour((1, 4), whole=True))
    one.add(2, behaviour((1, 4, 5)))  # goes at once
    other, _ = restored(one, limit=1)
    assert list(other.keys) == [1]
    assert other.clock == one.clock == 2


def test_what_was_saved_comes_back_and_goes_on_the_same():
    one = full()
    other, loaded = restored(one)
    assert (loaded.known, loaded.dropped, loaded.trimmed) == (50, 0, 0)
    assert list(other.keys) == list(one.keys)
    assert other.behaviours == one.behaviours
    assert other.chances().tolist() == one.chances().tolist()
    one.dropped.clear()
    for key in range(1_000, 1_200):  # what goes next, and in which order, is the same too
        for each in (one, other):
            each.add(key, behaviour((1 + key % 3, *[4] * (key % 6))))
    assert one.dropped == other.dropped
    assert list(other.keys) == list(one.keys)


def test_what_is_kept_comes_back_as_such():
    one = full()
    one.keep(777, behaviour((1, *[3] * 9)))
    other, _ = restored(one)
    assert other.kept == {777}
    for key in range(1_000, 1_100):
        other.add(key, behaviour((1, 4), whole=True))
    assert 777 in other
    gone, _ = restored(one, token_of=lambda program: None if len(program) > 9 else program)
    assert gone.kept == set()


def test_an_empty_repertoire_can_be_saved():
    other, loaded = restored(repertoire())
    assert (len(other), loaded.known) == (0, 0)


def test_a_lower_limit_trims():
    other, loaded = restored(full(), limit=20)
    assert (loaded.known, loaded.trimmed, len(other)) == (20, 30, 20)
    counts = other.places.values()
    assert max(counts) - min(counts) <= 1


def test_what_is_no_longer_allowed_is_dropped_and_counted():
    one = full()
    gone = sum(each.program[0] == 1 for each in one.behaviours.values())
    other, loaded = restored(one, token_of=lambda program: None if program[0] == 1 else program)
    assert loaded.dropped == gone > 0
    assert all(each.program[0] != 1 for each in other.behaviours.values())
    gone = sum(each.question == 2 for each in one.behaviours.values())
    assert restored(one, question_of=lambda number: None if number == 2 else number)[1].dropped == gone > 0
    gone = sum(len(each.program) > 4 for each in one.behaviours.values())
    shorter = restored(one, accepts=lambda rows: [len(program) <= 4 for program, _ in rows])[1]
    assert shorter.dropped == gone > 0
