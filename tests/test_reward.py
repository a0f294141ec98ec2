"""The reward's promises, each as a property over many answers."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent_core.scoring.reward import NO_ANSWER, constrained, function_reward, function_target, output_reward
from agent_core.settings.config import ScorerConfig

CONFIG = ScorerConfig()
NUMBERS = (0, 3, 8, 15, -4, 12, 22, 30)
BOOLEANS = (True, False, True, True, False, False, True, False)
LISTS = ([], [5], [2, 1], [4, 4], [3, 2, 1], [0, 8, -6], [7, 5, 3, 1], [9, 9, 2])
MIXED = (1, 2, "fizz", 4, "buzz", "fizz", 7, 8)
TARGETS = (NUMBERS, BOOLEANS, LISTS, MIXED)

plain = st.one_of(
    st.integers(-40, 40),
    st.booleans(),
    st.floats(-50, 50),
    st.sampled_from(["fizz", "buzz", "", "fizzbuzz"]),
    st.lists(st.integers(-9, 9), max_size=4),
    st.none(),
    st.just(NO_ANSWER),
)


def reward_of(expected, answers, config=CONFIG, **options):
    return function_reward(function_target(expected, **options), answers, config)[0]


def ignores_inputs(answers):
    given = [(type(answer), answer) for answer in answers if answer is not NO_ANSWER]
    return all(answer == given[0] for answer in given)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TARGETS), st.lists(plain, min_size=8, max_size=8), st.integers(0, 7))
def test_one_more_exact_case_always_pays_more(expected, answers, place):
    better = list(answers)
    better[place] = expected[place]
    assume(better != answers and not ignores_inputs(better))
    target = function_target(expected)
    before, exact = function_reward(target, answers, CONFIG)
    assume(not exact[place])
    assert function_reward(target, better, CONFIG)[0] > before


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TARGETS), st.data())
def test_more_exact_cases_outpay_any_near_misses_of_another_program(expected, data):
    one, other = (data.draw(st.lists(plain, min_size=8, max_size=8)) for _ in range(2))
    right = data.draw(st.sets(st.integers(0, 7), min_size=1))
    one = [expected[i] if i in right else answer for i, answer in enumerate(one)]
    assume(not ignores_inputs(one))
    target = function_target(expected)
    (more, exact), (less, other_exact) = (function_reward(target, answers, CONFIG) for answers in (one, other))
    assume(sum(exact) > sum(other_exact))
    assert more > less


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(TARGETS), st.lists(plain, min_size=8, max_size=8))
def test_reward_is_one_only_for_all_and_never_leaves_its_range(expected, answers):
    reward, exact = function_reward(function_target(expected), answers, CONFIG)
    assert 0.0 <= reward <= 1.0
    assert (reward == 1.0) == all(exact)
    assert (reward == 0.0) == all(answer is NO_ANSWER for answer in answers)


@pytest.mark.parametrize("expected", TARGETS)
def test_the_same_answer_to_everything_earns_only_what_running_earns(expected):
    for constant in (*expected, None, 5, "x", [], float("nan"), 2.5):
        assert reward_of(expected, [constant] * 8) == CONFIG.running


def test_the_same_answer_is_right_where_the_cases_do_not_differ():
    assert reward_of([7, 7, 7], [7, 7, 7]) == 1.0
    assert reward_of([7, 7, 7], [7, 7, 8]) > CONFIG.running


def test_exact_cases_count_little_until_they_are_more_than_the_best_constant_gets():
    expected = [0] * 5 + [1, 2, 3, 4, 5]
    five_by_varying = [0] * 5 + [9, 8, 9, 8, 9]
    six = [*five_by_varying[:5], 1, 9, 8, 9, 8]
    assert reward_of(expected, five_by_varying) < 0.4
    assert reward_of(expected, six) - reward_of(expected, five_by_varying) > 0.1


def test_moving_the_right_way_pays():
    """`len` points toward `sum`, and something that moves at random does not."""
    lists = [[], [6], [-3], [1, 2], [4, 4], [5, -2], [1, 2, 4], [7, 0, 8], [3, 3, 3, 3], [10, 2, 9, 1]]
    expected = [sum(items) for items in lists]
    moving = [len(items) + 50 for items in lists]
    draw = random.Random(1)
    shuffled = sum(reward_of(expected, draw.sample(moving, len(moving))) for _ in range(20)) / 20
    assert reward_of(expected, moving) > shuffled + 0.01
    assert reward_of(expected, [-answer for answer in moving]) < shuffled


def test_numbers_are_graded_by_distance():
    near = [value + 1 for value in NUMBERS]
    far = [value + 30 for value in NUMBERS]
    assert reward_of(NUMBERS, near) > reward_of(NUMBERS, far) > CONFIG.running


def test_lists_are_graded_by_length_elements_and_beginning():
    forward = [items[::-1] for items in LISTS]  # the right elements in the wrong order
    other = [[77] * (1 + index % 3) for index in range(len(LISTS))]
    longer = [[*items, 5] for items in LISTS]
    assert reward_of(LISTS, forward) > reward_of(LISTS, other)
    assert reward_of(LISTS, longer) > reward_of(LISTS, other)


def test_the_elements_of_lists_are_graded_like_answers():
    """A list of as many elements pays the more, the nearer each is, the better they move, and for their types."""
    doubled = [[2 * item for item in items] for items in LISTS]
    as_they_are = reward_of(doubled, LISTS)
    assert as_they_are > reward_of(doubled, [[-item for item in items] for items in LISTS])
    assert as_they_are > reward_of(doubled, [[str(item) for item in items] for items in LISTS])
    nearly = [[2 * item + 1 for item in items] for items in LISTS]
    assert as_they_are < reward_of(doubled, nearly) < reward_of(doubled, [*doubled[:-1], nearly[-1]])


def test_length_pays_in_full_where_no_element_says_anything():
    config = ScorerConfig(closeness=0.0, right_type=0.0)
    texts = ["a" * length for length in range(1, 5)]
    as_texts, _ = function_reward(function_target(texts), ["bb" * len(text) for text in texts], config)
    lists = [[1] * len(text) for text in texts]
    as_lists, _ = function_reward(function_target(lists), [[7, 7] * len(text) for text in texts], config)
    assert as_lists == as_texts > config.running


def test_lists_of_lists_and_of_texts_are_graded_by_their_elements():
    pairs = [[[1, 2], [3, 4]], [[5, 6]], [[7, 8], [9, 1], [2, 3]]]
    flat = [[item for pair in pairs_of_one for item in pair] for pairs_of_one in pairs]
    turned = [[pair[::-1] for pair in pairs_of_one] for pairs_of_one in pairs]
    assert reward_of(pairs, turned) > reward_of(pairs, flat)
    joined = [["ab", "bc"], ["xy"], ["no", "op", "pq"]]
    firsts = [[text[0] for text in texts] for texts in joined]
    assert reward_of(joined, firsts) > reward_of(joined, [["-" for _ in texts] for texts in joined])


def test_the_right_type_earns_a_little():
    expected = [3, 8, 1, 9, 4]
    wrong = [["a"], ["b"], ["c"], ["d"], ["e"]]
    typed = [-300, 200, 100, -100, -200]
    assert CONFIG.running <= reward_of(expected, wrong) < reward_of(expected, typed)


def test_a_crashed_case_is_a_wrong_one():
    answers = [*NUMBERS[:6], NO_ANSWER, NO_ANSWER]
    assert CONFIG.running < reward_of(NUMBERS, answers) < reward_of(NUMBERS, [*NUMBERS[:6], 21, 31])
    assert reward_of(NUMBERS, [NO_ANSWER] * 8) == 0.0


def test_a_counterexample_costs_more_than_one_case():
    fitted = [*NUMBERS[:7], 99]
    plain_loss = 1.0 - reward_of(NUMBERS, fitted)
    assert 1.0 - reward_of(NUMBERS, fitted, counts=[1] * 7 + [3]) > 2 * plain_loss


def test_each_part_can_be_switched_off():
    off = ScorerConfig(trend=0.0, closeness=0.0, right_type=0.0)
    near = [value + 1 for value in NUMBERS]
    assert reward_of(NUMBERS, near, off) == off.running
    constant = [0] * 8
    assert reward_of(NUMBERS, constant, constants_pay=True) > CONFIG.running
    heavy = ScorerConfig(trend=1.0, closeness=1.0, right_type=1.0)
    assert reward_of(NUMBERS, near, heavy) < reward_of(NUMBERS, [0, *near[1:-1], 99], heavy)


def test_integers_beyond_every_float_are_only_wrong():
    assert reward_of(NUMBERS, [10**400 + i for i in range(8)]) >= CONFIG.running
    assert reward_of([10**400, 1, 2], [10**400, 1, 3]) > CONFIG.running


@pytest.mark.parametrize(
    "outputs",
    [
        ("", "hell", "hello", "hello hello", "hello world"),
        ("xyz", "world", "hello", "hello worlds"),
    ],
)
def test_a_printed_text_is_paid_the_more_the_nearer_it_is(outputs):
    rewards = [output_reward("hello world", output, CONFIG) for output in outputs]
    assert rewards == sorted(rewards)
    assert len(set(rewards)) == len(rewards)
    assert rewards[0] == CONFIG.running


def test_a_printed_number_is_graded_by_distance():
    rewards = [output_reward("15", output, CONFIG) for output in ("900", "30", "18", "14", "15")]
    assert rewards == sorted(rewards)
    assert rewards[-1] == 1.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["1", "2", "3", "", "11"]), max_size=6), st.integers(0, 3))
def test_one_more_line_in_its_place_always_pays_more(lines, place):
    wanted = ["1", "2", "3", "4"]
    better = [*lines, *[""] * 4][: max(len(lines), place + 1)]
    better[place] = wanted[place]
    assume(lines[place : place + 1] != [wanted[place]])
    before, after = (output_reward("\n".join(wanted), "\n".join(text), CONFIG) for text in (lines, better))
    assert after > before


def test_text_after_the_right_one_costs():
    rewards = [output_reward("a\nb", output, CONFIG) for output in ("a", "a\nb\nc\nd\ne", "a\nb\nc", "a\nb")]
    assert rewards == sorted(rewards)
    assert len(set(rewards)) == 4


def test_constraints_multiply():
    assert constrained(0.8, ()) == 0.8
    assert constrained(0.8, (1.0, 1.0)) == 0.8
    assert constrained(0.8, (0.0,)) == 0.4
    assert constrained(0.8, (0.0, 0.0)) < constrained(0.8, (1.0, 0.0)) < constrained(0.8, (1.0, 0.9)) < 0.8
    assert constrained(0.0, (1.0,)) == 0.0


def test_numbers_whose_sum_is_beyond_every_float_can_be_aimed_at():
    """They may be answers, and what a function is given, which its calls of itself are compared with."""
    target = function_target([1e308, -1e308, 0.5, 2.0])
    assert target.scale == 1.0
    assert target.direction.aligned([3.0, 1.0, 2.0, 2.0], by_rank=True) > 0
