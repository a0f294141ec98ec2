"""Every mistake in a grammar is named with its rule and line; what the shipped one means is tested with the tables."""

import pytest

from agent_core.grammar.rules import GrammarError, parse_grammar, read_grammar

SMALL = "program: 'pass' NEWLINE EOS\nfunction_body: 'pass' NEWLINE EOS\n"


def grammar_of(rules: str) -> str:
    """A grammar whose program is a `thing`."""
    return "program: thing EOS\nfunction_body: thing EOS\n" + rules


def test_first_follow_and_fewest_of_the_textbook(tokenizer):
    # Aho, Lam, Sethi, Ullman, example 4.30, with NUMBER for id
    rules = (
        "thing: term more\nmore: '+' term more | nothing\nterm: item times\ntimes: '*' item times | nothing\n"
        "item: '(' thing ')' | NUMBER\n"
    )
    grammar = parse_grammar(grammar_of(rules), tokenizer.tokens)

    def texts(ids):
        return {"NUMBER" if tokenizer.tokens[i].isdigit() else tokenizer.tokens[i] for i in ids}

    assert texts(grammar.first["thing"]) == texts(grammar.first["item"]) == {"(", "NUMBER"}
    assert texts(grammar.first["more"]) == {"+"}
    assert texts(grammar.follow["thing"]) == texts(grammar.follow["more"]) == {")", "<EOS>"}
    assert texts(grammar.follow["item"]) == {"*", "+", ")", "<EOS>"}
    assert grammar.nullable == {"more", "times"}
    assert grammar.fewest_tokens == {
        "program": 2,
        "function_body": 2,
        "thing": 1,
        "more": 0,
        "term": 1,
        "times": 0,
        "item": 1,
    }


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ("thing: 'pass' | 'pass' NEWLINE", "line 3, rule thing: two alternatives begin with pass"),
        ("thing: 'pass' | other\nother: NUMBER | 'pass'", "line 3, rule thing: two alternatives begin with pass"),
        ("thing: thing 'pass' | NUMBER", "line 3, rule thing: begins with itself"),
        ("thing: maybe thing 'pass' | NUMBER\nmaybe: '+' | nothing", "rule thing: begins with itself"),
        ("thing: other 'pass'\nother: thing | NUMBER", "begins with itself"),
        ("thing: 'pass' thing", "line 3, rule thing: never ends"),
        ("thing: VARIABLE.read", "never ends without a name"),
        ("thing: 'pass' thing maybe | NUMBER\nmaybe: nothing", "line 4, rule maybe: can only be empty"),
        ("thing: NUMBER\nunused: 'pass'", "line 4, rule unused: cannot be reached"),
        ("thing: NUMBER nowhere", "line 3, rule thing: nowhere has no rule"),
        ("thing: 'continue'", "line 3, rule thing: the vocabulary has no token continue"),
        ("thing: STRANGE", "the vocabulary has no token STRANGE"),
        ("thing: maybe 'pass'\nmaybe: 'pass' | nothing", "line 4, rule maybe: can be empty, and pass can both"),
        (
            "thing: NUMBER maybe\nmaybe: one | two\none: '+' | nothing\ntwo: '-' | nothing",
            "two alternatives can be empty",
        ),
        ("thing: NUMBER\nthing: 'pass'", "line 4: rule thing is already defined in line 3"),
        ("thing: NUMBER.shout", "unknown mark .shout"),
        ("thing: other.read\nother: NUMBER", "only a token can carry a mark"),
        ("thing: NUMBER ?", "line 3, rule thing: cannot read '\\?'"),
        ("thing = NUMBER", "line 3: expected `rule: ...`"),
    ],
)
def test_mistakes_are_named(tokenizer, rules, complaint):
    parse_grammar(grammar_of("thing: NUMBER"), tokenizer.tokens)  # the frame alone is fine
    with pytest.raises(GrammarError, match=complaint):
        parse_grammar(grammar_of(rules), tokenizer.tokens, "some.grammar")


def test_start_symbols_are_needed(tokenizer):
    with pytest.raises(GrammarError, match="function_body has no rule"):
        parse_grammar("program: 'pass' EOS\n", tokenizer.tokens)
    with pytest.raises(GrammarError, match="must end with EOS"):
        parse_grammar("program: 'pass'\nfunction_body: 'pass' EOS\n", tokenizer.tokens)


def test_every_token_that_the_shipped_grammar_names_must_be_there(tokenizer, config):
    named = [t for t in tokenizer.tokens if f"'{t}'" in config.paths.grammar.read_text()]
    assert len(named) > 40
    for token in named:
        with pytest.raises(GrammarError, match="the vocabulary has no token"):
            read_grammar(config.paths.grammar, [t for t in tokenizer.tokens if t != token])


def test_comments_and_continued_lines(tokenizer):
    grammar = parse_grammar(grammar_of("# a comment\nthing: NUMBER # another\n     | 'pass'\n"), tokenizer.tokens)
    assert len(grammar.rules["thing"]) == 2
    small = parse_grammar(SMALL, tokenizer.tokens)
    assert small.digest != grammar.digest
    assert small.digest == parse_grammar(f"# A comment.\n\n{SMALL}\n  # Another\n", tokenizer.tokens).digest


def test_a_missing_file_is_named(tmp_path, tokenizer):
    with pytest.raises(GrammarError, match="cannot be read"):
        read_grammar(tmp_path / "none.grammar", tokenizer.tokens)
