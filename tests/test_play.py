"""Play: what it asks, what it keeps, that it goes on exactly where it stopped, and that it learns."""

import copy
from dataclasses import replace
from random import Random

import numpy
import pytest
import torch

from agent_core.learning.replay import prior_of, replay
from agent_core.play.answers import NOTHING, answers_of, is_dull, key_of, pack, unpack
from agent_core.play.mind.network import log_likelihood
from agent_core.play.player import Player
from agent_core.play.questions import Questions
from agent_core.play.saved import load, state_of
from agent_core.play.signatures import CASES, draw_signatures
from agent_core.play.trial import Trial
from agent_core.sandbox.executor import CaseResult, Executor
from agent_core.tasks.values import as_text
from memory.repertoire.repertoire import Repertoire
from memory.state.sealed import check_plain
from tests.fakes import InProcessExecutor
from utils import UserError


def small_player(config, **play):
    """Settings of a small mind that plays in small batches. play: those of [play]."""
    return replace(
        config,
        executor=replace(config.executor, workers=1, max_steps=500),
        mind=replace(config.mind, hidden_dim=24, encoder_dim=24, context_dim=12, batch_size=16, behaviours=400),
        play=replace(config.play, **{"batch_size": 64} | play),
    )


def run(trial, signature, number, programs, modules, shown):
    return trial.finish(trial.start(signature, number, programs, modules), shown)


@pytest.fixture(scope="module")
def small(config):
    return small_player(config, signatures=3, learn_every=128, look_every=200, print_share=0.3)


@pytest.fixture(scope="module")
def executor(small):
    with Executor(small.executor) as executor:
        yield executor


@pytest.fixture
def player(small, tokenizer, legal_tokens, executor):
    return Player(small, tokenizer, legal_tokens, executor)


# --- what is asked --------------------------------------------------------------------------------------------------


def test_signatures_follow_from_the_seed_and_more_of_them_change_none():
    names = [signature.name for signature in draw_signatures(40, 3, 5)]
    assert names[:10] == [signature.name for signature in draw_signatures(10, 3, 5)]
    assert names != [signature.name for signature in draw_signatures(40, 4, 5)]
    assert len(set(names)) == 40
    assert {signature.arity for signature in draw_signatures(64, 3, 5)} == {1, 2, 3, 4, 5}
    assert {signature.arity for signature in draw_signatures(20, 3, 2)} == {1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_no_seed_leaves_out_what_many_tasks_ask_for(seed):
    def types(signature):
        call = max(signature.inputs(0), key=lambda call: sum(bool(value) for value in call))
        return tuple(f"list of {type(value[0]).__name__}" if type(value) is list else type(value).__name__
                     for value in call)  # fmt: skip

    asked = {types(signature) for signature in draw_signatures(64, seed, 5)}
    numbers = "list of int"
    assert {("int",), ("str",), (numbers,), ("list of str",), ("list of list",)} <= asked
    assert {("int", "int"), (numbers, "int"), ("int", numbers), (numbers, numbers), ("str", "int")} <= asked
    assert {("str", "str"), ("list of str", "str"), ("int", "int", "int"), (numbers, "int", "int")} <= asked


def test_signatures_are_of_numbers_truth_values_texts_and_lists_of_these():
    values = [call for signature in draw_signatures(60, 0, 5) for call in signature.inputs(1)]
    kinds = {type(value) for call in values for value in call}
    assert kinds == {int, float, bool, str, list}
    inner = {type(item) for call in values for value in call if type(value) is list for item in value}
    assert {int, str, list} <= inner
    numbers = [value for call in values for value in call if type(value) is int]
    assert min(numbers) < -1_000
    assert max(numbers) > 1_000


def test_every_second_call_is_the_one_before_with_one_argument_changed():
    for signature in draw_signatures(30, 1, 5):
        for number in (0, 5):
            calls = signature.inputs(number)
            assert len(calls) == CASES
            for pair in range(CASES // 2):
                one, other = calls[2 * pair], calls[2 * pair + 1]
                differ = [place for place in range(signature.arity) if as_text(one[place]) != as_text(other[place])]
                assert differ in ([pair % signature.arity], [])  # nothing where a kind has hardly any values


def test_a_behaviour_depends_on_all_arguments_or_not():
    signature = next(each for each in draw_signatures(30, 0, 5) if each.arity == 2 and "whole" in each.kinds[1].name)
    calls = signature.inputs(0)
    assert signature.depends_on_all([as_text(call) for call in calls])
    assert not signature.depends_on_all([as_text(call[0]) for call in calls])
    assert not signature.depends_on_all([7] * CASES)


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_answers_are_packed_and_come_back():
    answers = [1, -2.5, True, None, "ä\n", [1, ["x"]], NOTHING, []]
    assert unpack(pack(answers)) == answers
    assert unpack(pack(answers))[6] is NOTHING
    assert len({key_of("q", each) for each in ([1], [True], [1.0], ["1"], [[1]], [NOTHING])}) == 6
    assert key_of("q", [1]) != key_of("r", [1])


@pytest.mark.parametrize("value", [10**15, float("nan"), 1e300, "x" * 61, list(range(60)), {1}, (1,), {"a": 1}])
def test_what_is_too_large_or_no_value_of_a_task_is_not_kept(value):
    assert answers_of([CaseResult("finished", 1), CaseResult("finished", value)]) is None


def test_dull_behaviours():
    calls = [(1, 5), (2, 6), (3, 7), (4, 8)]
    assert is_dull(calls, [9, 9, 9, 9], 2)
    assert is_dull(calls, [5, 6, 7, 8], 2)
    assert is_dull(calls, [5, NOTHING, NOTHING, NOTHING], 1)
    assert is_dull(calls, [5, 7, NOTHING, NOTHING], 3)
    assert not is_dull(calls, [5, 6, 7, 9], 2)
    assert not is_dull(calls, [5.0, 6.0, 7.0, 8.0], 2)
    assert not is_dull(calls, [True, 1, True, 1], 2)


def examples(question, behaviour):
    """The calls and answers that a behaviour is shown by."""
    pairs = zip(question.inputs(behaviour.shown), unpack(behaviour.answers), strict=True)
    return [(call, answer) for call, answer in pairs if answer is not NOTHING]


def run_trial(tokenizer, texts, repertoire=None, kind="list"):
    """The texts that a trial keeps, of one question with one argument."""
    questions = Questions(40, 0, tokenizer)
    number = next(i for i in questions.functions if questions[i].arity == 1 and questions[i].name.startswith(kind))
    repertoire = Repertoire(100, len, 0.9) if repertoire is None else repertoire
    task = questions.task_of(number)
    rows = [tuple(tokenizer.encode(text).tolist()) for text in texts]
    modules = [task.module(text) for text in texts]
    found = run(Trial(InProcessExecutor(), repertoire), questions[number], number, rows, modules, 3)
    for each in found:
        repertoire.add(each.key, each.behaviour)
    return [texts[each.place] for each in found], found, questions[number], repertoire


def test_a_trial_keeps_the_shortest_program_of_each_behaviour_that_does_something(tokenizer):
    texts = [
        "return len(var_a) + 0\n",
        "return len(var_a)\n",
        "return 3\n",
        "return var_a\n",
        "return var_a[100]\n",
        "return sorted(var_a)[0:1]\n",
        "return len(var_a) + 1\n",
    ]
    kept, found, signature, repertoire = run_trial(tokenizer, texts)
    assert sorted(kept) == ["return len(var_a)\n", "return len(var_a) + 1\n", "return sorted(var_a)[0:1]\n"]
    for each in found:
        assert each.behaviour.shown == 3
        assert each.behaviour.whole
    first = repertoire.get(found[0].key)
    assert examples(signature, first) == [(call, len(call[0])) for call in signature.inputs(3)]
    again, *_ = run_trial(tokenizer, ["return len(var_a) + 0 * 1\n", "return len(var_a)\n"], repertoire)
    assert again == []


def test_a_shorter_program_must_agree_on_more_than_the_first_inputs(tokenizer):
    """Two that differ on inputs of set 3 only are two behaviours of one key: the known one stays."""
    questions = Questions(40, 0, tokenizer)
    number = next(i for i in questions.functions if questions[i].arity == 1 and questions[i].name.startswith("whole"))
    calls = questions[number].inputs(0)
    seen = sorted({call[0] for call in calls})
    apart = next(call[0] for call in questions[number].inputs(3) if call[0] not in seen)
    longer = f"return var_a + 1 if var_a in {seen} else 7\n"
    shorter = "return var_a + 1\n"
    task, repertoire = questions.task_of(number), Repertoire(100, len, 0.9)
    trial = Trial(InProcessExecutor(), repertoire)
    (found,) = run(trial, questions[number], number, [(1, 2, 3)], [task.module(longer)], 3)
    repertoire.add(found.key, found.behaviour)
    assert apart + 1 != 7
    assert run(trial, questions[number], number, [(1, 2)], [task.module(shorter)], 4) == []
    (same,) = run(trial, questions[number], number, [(1, 2)], [task.module(longer)], 4)
    assert same.key == found.key
    assert same.behaviour.shown == 3


def test_programs_that_print_are_known_by_their_output(tokenizer):
    questions = Questions(3, 0, tokenizer)
    texts = ['print("hello")\n', 'print("hel" + "lo")\n', "pass\n", 'print("no")\n']
    rows = [(1,) * len(text) for text in texts]
    found = run(Trial(InProcessExecutor(), Repertoire(9, len, 0.9)), questions[0], 0, rows, texts, 1)
    assert [texts[each.place] for each in found] == [texts[0], texts[3]]
    assert examples(questions[0], found[0].behaviour) == [((), "hello")]


# --- how it learns --------------------------------------------------------------------------------------------------


def test_the_likelihood_is_what_the_definition_says(player, tokenizer, legal_tokens):
    """Token by token with the policy's own forward pass, masked to legal tokens: values and gradients."""
    texts = [(1, "return len(var_a)\n"), (2, "if var_a:\n    return var_b\nreturn 1\n"), (0, "print(1)\n")]
    arity = {player.questions[i].arity: i for i in range(4)}
    texts = [(arity[count], text) for count, text in texts]
    programs = [tokenizer.encode(text).tolist() for _, text in texts]
    prompts = [player.questions.prompt_of(number) for number, _ in texts]
    replayed = replay(programs, prompts, player.language)
    policy = copy.deepcopy(player.learner.network.policy).double().requires_grad_()
    contexts = torch.randn(len(programs), policy.context_dim, dtype=torch.double, requires_grad=True)
    found = log_likelihood(policy, replayed, contexts, tokenizer.sos)
    wanted = []
    for row, program in enumerate(programs):
        inputs = torch.tensor([[tokenizer.sos, *program[:-1]]])
        logits = policy(inputs, contexts[row : row + 1])[0]
        logits = logits + replayed.log_prior[replayed.program == row]
        logits = logits.masked_fill(~replayed.legal[replayed.program == row], -1e30)
        wanted.append(torch.log_softmax(logits, dim=1).gather(1, torch.tensor(program).unsqueeze(1)).sum())
    wanted = torch.stack(wanted)
    torch.testing.assert_close(found, wanted)
    weights = torch.arange(1.0, len(programs) + 1, dtype=torch.double)
    parameters = [*policy.parameters(), contexts]
    grads = [
        torch.autograd.grad((weights * score).sum(), parameters, allow_unused=True, retain_graph=True)
        for score in (found, wanted)
    ]
    for one, other in zip(*grads, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_the_prior_is_the_likelihood_by_a_policy_that_has_no_opinion(player, tokenizer):
    programs = [tokenizer.encode(text).tolist() for text in ("return var_a\n", "if var_a:\n    return 2\nreturn 1\n")]
    number = next(i for i in player.questions.functions if player.questions[i].arity == 1)
    replayed = replay(programs, [player.questions.prompt_of(number)] * 2, player.language)
    policy = copy.deepcopy(player.learner.network.policy)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
    blank = torch.zeros(2, policy.context_dim)
    torch.testing.assert_close(prior_of(replayed), log_likelihood(policy, replayed, blank, tokenizer.sos))


def test_a_program_counts_more_the_more_the_mind_has_drifted_away_from_it(player, tokenizer):
    """The mind learns to write one program, whatever is asked; from then on the others count more than that one."""
    number = next(i for i in player.questions.functions if player.questions[i].arity == 1)
    prompt = player.questions.prompt_of(number)
    texts = ("return var_a + 1\n", "return var_a - 1\n", "return len(var_a)\n")
    rows = [tokenizer.encode(text).tolist() for text in texts]
    learner = player.learner
    replayed = replay(rows, [prompt] * 3, player.language)
    before = learner.weights(replayed)
    assert before.mean().item() == pytest.approx(1)
    lessons = [(rows[0], prompt, [numpy.array([1])]), (rows[0], prompt, [numpy.array([2])])]
    for _ in range(60):
        learner.learn(lessons, [True, True])
    after = learner.weights(replayed)
    assert after.mean().item() == pytest.approx(1)
    assert (after[1:] / after[0] > 2 * before[1:] / before[0]).all()


def test_what_writes_is_the_mean_of_the_latest_weights(player):
    while len(player.repertoire) < 20:
        player.step()
    before, steps = player.learner.state(), player.learner.steps
    before = {name: tensor.clone() for name, tensor in before["network"].items()}
    player.learn()
    after = player.learner.state()
    kept = (1 + steps) / (10 + steps)
    for name, tensor in after["network"].items():
        torch.testing.assert_close(tensor, kept * before[name] + (1 - kept) * after["trained"][name])
    assert any(not torch.equal(before[name], tensor) for name, tensor in after["network"].items())


def test_it_learns_which_program_belongs_to_which_examples(player):
    """After a while of learning its own few behaviours, their own examples are worth several nats."""
    while len(player.repertoire) < 20:
        player.step()
    for _ in range(200):
        player.learn()
    figures = player.look()
    assert figures["loss_own_examples"] < figures["loss_other_examples"] - 2
    assert player.learn()["spread"] > 0.2


def test_a_step_reports_its_figures_and_keeps_within_the_limit(player):
    from agent_core.play.progress import PLAY_FIGURES

    for step in range(1, 7):
        row = player.step()
        assert tuple(row) == PLAY_FIGURES
        assert (row["step"], row["attempts"]) == (step, 64 * step)
        assert row["behaviours"] == len(player.repertoire) <= 400
    assert row["behaviours"] > 0
    assert row["loss"] > 0
    assert all(0 < len(each.program) <= 48 for each in player.repertoire.behaviours.values())


def test_every_kept_program_does_what_is_kept_of_it(player, executor):
    for _ in range(8):
        player.step()
    for key, behaviour in list(player.repertoire.behaviours.items())[:30]:
        signature, number = player.questions[behaviour.question], behaviour.question
        module = player.questions.task_of(number).module(player.tokenizer.decode(behaviour.program))
        assert player.trial.keys(signature, [module]) == {key}


def test_without_anything_known_chance_alone_writes(player):
    player.step()
    assert player.progress.tried["chance"] == 64
    assert player.progress.tried["policy"] == player.progress.tried["mutation"] == 0


# --- saving ---------------------------------------------------------------------------------------------------------


def test_it_goes_on_exactly_where_it_stopped(small, tokenizer, legal_tokens, executor):
    def new():
        return Player(small, tokenizer, legal_tokens, executor)

    straight, stopped = new(), new()
    for _ in range(6):
        straight.step()
        stopped.step()
    state = state_of(stopped)
    check_plain(state, "the mind")
    resumed = new()
    assert load(resumed, state) == []
    for _ in range(6):
        assert straight.step() == resumed.step()
    assert list(straight.repertoire.keys) == list(resumed.repertoire.keys)
    assert straight.repertoire.behaviours == resumed.repertoire.behaviours
    pairs = zip(straight.learner.network.parameters(), resumed.learner.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_what_a_lower_limit_or_other_questions_no_longer_allow_is_counted(
    small, tokenizer, legal_tokens, executor, player
):
    while len({behaviour.question for behaviour in player.repertoire.behaviours.values()} - {0}) < 2:
        player.step()
    known, state = len(player.repertoire), state_of(player)
    fewer = replace(small, play=replace(small.play, signatures=1))
    other = Player(fewer, tokenizer, legal_tokens, executor)
    gone = sum(each.question > 1 for each in player.repertoire.behaviours.values())
    (note,) = load(other, state)
    assert gone > 0
    assert note.startswith(f"{gone:,} known behaviours are left out")
    assert len(other.repertoire) == known - gone
    shorter = replace(small, generator=replace(small.generator, max_length=9))
    other = Player(shorter, tokenizer, legal_tokens, executor)
    assert "left out" in load(other, state)[0]
    assert all(len(each.program) <= 9 for each in other.repertoire.behaviours.values())


def test_a_mind_of_another_size_is_refused_with_the_way_out(small, tokenizer, legal_tokens, executor, player):
    state = state_of(player)
    other = replace(small, mind=replace(small.mind, hidden_dim=25))
    with pytest.raises(UserError, match=r"mind\.hidden_dim is 25, but .* 24: set mind\.hidden_dim = 24 .*--fresh"):
        load(Player(other, tokenizer, legal_tokens, executor), state)


def test_lessons_leave_out_what_is_held_back(player):
    for _ in range(6):
        player.step()
    drawn = player.lessons.draw(2_000, Random(0))
    assert drawn
    assert all(key % 50 for key in drawn)
