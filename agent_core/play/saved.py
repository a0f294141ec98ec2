"""The mind as it is saved: network, repertoire and what it has behind it, and the randomness that play goes on with."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from agent_core.learning.language import TokenIds
from agent_core.learning.vocabulary_change import carry_program, match_tokens
from agent_core.play.player import Player
from agent_core.play.progress import PlayProgress
from memory.repertoire.packing import pack, unpack
from utils import UserError

VERSION = 1


def state_of(player: Player) -> dict[str, Any]:
    """Plain values: all that must survive a step. Where there are several ranks, the first one's is for all of them."""
    return {
        "version": VERSION,
        "seed": player.seed,
        "learner": player.learner.state(),
        "repertoire": pack(player.repertoire),
        "language": _language(player),
        "questions": player.questions.names,
        "given": player.questions.given,
        "progress": asdict(player.progress),
        "draws": player.draws.getstate(),
        "randomness": player.randomness.state(),
        "own_draws": player.ranks.gather(player.own_draws.getstate()),
    }


def load(player: Player, state: dict[str, Any]) -> list[str]:
    """Goes on from what was saved. Returns what there is to say about it. Raises UserError where sizes differ, and
    for a mind of a newer version.

    The player has been made with the seed of the state.
    """
    if state.get("version", 1) > VERSION:
        raise UserError("the mind was saved by a newer AltLAS: use that one, or start anew with --fresh")
    notes = player.learner.load(state["learner"])
    ids = match_tokens(state["learner"]["tokens"], player.tokenizer.tokens)
    for parameters, calls in state["given"]:
        if set(parameters) <= set(player.tokenizer.tokens):  # a variable may be gone
            player.questions.give(parameters, calls)
    numbers = {name: number for number, name in enumerate(player.questions.names)}
    # What could be written can be, then; to ask for each takes long.
    same = state.get("language") == _language(player) and state["learner"]["tokens"] == player.tokenizer.tokens
    loaded = unpack(
        state["repertoire"],
        player.repertoire,
        lambda program: carry_program(program, ids),
        lambda number: numbers.get(state["questions"][number]),
        lambda rows: [True] * len(rows) if same else _accepts(player, rows),
    )
    if loaded.dropped:
        notes.append(
            f"{loaded.dropped:,} known behaviours are left out: the vocabulary, the grammar, a limit or the questions "
            "have changed, and their programs can no longer be written"
        )
    if loaded.trimmed:
        notes.append(
            f"mind.behaviours is {player.repertoire.limit:_} now: {loaded.trimmed:,} behaviours beyond that are gone"
        )
    player.progress = PlayProgress(**state["progress"])
    player.draws.setstate(_as_random(state["draws"]))
    notes += player.randomness.load(state["randomness"])
    if player.ranks.rank < len(state["own_draws"]):
        player.own_draws.setstate(_as_random(state["own_draws"][player.ranks.rank]))
    return notes


def _language(player: Player) -> list[Any]:
    """What decides which programs can be written, besides the vocabulary."""
    return [player.legal_tokens.grammar.digest, player.language.max_length]


def _accepts(player: Player, rows: Sequence[tuple[TokenIds, int]]) -> list[bool]:
    """Which programs can be written, each for the question with its number."""
    prompts = [player.questions.prompt_of(number) for _, number in rows]
    return player.language.accepts([program for program, _ in rows], prompts)


def _as_random(state: Any) -> tuple:
    """The state of a `random.Random`, whose parts may have come back as lists."""
    version, internal, gauss = state
    return version, tuple(internal), gauss
