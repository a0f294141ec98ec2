"""Ranks that play together hold the same: repertoire, weights, counts."""

import io
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from agent_core.distributed.ranks import join
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.play.player import Player
from agent_core.play.saved import load, state_of
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import load_config
from tests.conftest import ROOT
from tests.test_ranks import Started
from tokenizer import Tokenizer

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="this PyTorch has no gloo, by which ranks talk on a CPU",
)


def play_for_a_while(steps, state=None):
    """What each rank holds in the end, and the state that is saved."""
    config = load_config(ROOT / "config.ini", ["play.batch_size=65", "play.signatures=2", "executor.workers=1"])
    config = replace(
        config,
        mind=replace(config.mind, hidden_dim=16, encoder_dim=16, context_dim=8, batch_size=17),
        play=replace(config.play, learn_every=130, look_every=300, print_share=0.5),
    )
    tokenizer = Tokenizer.from_file(config.paths.vocabulary)
    legal = LegalTokens(read_grammar(config.paths.grammar, tokenizer.tokens), tokenizer.tokens, torch.device("cpu"))
    with join() as ranks, Executor(config.executor) as executor:
        player = Player(config, tokenizer, legal, executor, ranks)
        if state is not None:
            load(player, torch.load(io.BytesIO(state), weights_only=True))
        rows = [player.step() for _ in range(steps)]
        weights = [parameter.tolist() for parameter in player.learner.network.parameters()]
        behaviours = {key: tuple(each) for key, each in player.repertoire.behaviours.items()}
        saved = io.BytesIO()
        torch.save(state_of(player), saved)
        return rows, weights, behaviours, saved.getvalue()


def test_two_ranks_hold_the_same_and_go_on_exactly():
    one, other = Started(play_for_a_while, 10).results()
    assert one[:3] == other[:3]
    rows, _, behaviours, _ = one
    assert rows[-1]["attempts"] == 650
    assert len(behaviours) > 3
    assert rows[-1]["loss"] > 0
    half = Started(play_for_a_while, 5).results()[0]
    again = Started(play_for_a_while, 5, half[3]).results()
    assert half[0] + again[0][0] == rows
    assert again[0][1:3] == again[1][1:3] == one[1:3]
