"""Text to ids and back, and every way in which a vocabulary can be wrong."""

import ast
import json

import pytest

from tokenizer import SPECIAL_TOKENS, Tokenizer, VocabularyError, token_class

PROGRAMS = [
    "print('hello', \"world\")\n",
    "var_a = 1\nif var_a == 1:\n    print(var_a)\nelse:\n    pass\n",
    "for var_a in range(10):\n    if var_a % 2:\n        var_b = var_a\n    print([1, 2][0:1])\n",
    "def func_a(var_a, var_b):\n    return var_a if var_a > var_b else -var_b\nprint(func_a(1, 2))\n",
    "while not True or False and None in []:\n    var_a += 100 // 7 - 3 * 2 / 4\n",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_decoding_an_encoding_gives_the_same_syntax_tree(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.unk not in ids.tolist()
    assert ids[-1] == tokenizer.eos
    assert ast.dump(ast.parse(tokenizer.decode(ids))) == ast.dump(ast.parse(text))
    assert tokenizer.encode(tokenizer.decode(ids)).tolist() == ids.tolist()


def test_comments_blank_lines_and_spacing_do_not_count(tokenizer):
    plain = tokenizer.encode("if True:\n    print(1)\n")
    assert tokenizer.encode("\n# why\nif  True :  # so\n\n        print( 1 )").tolist() == plain.tolist()


def test_literals_are_matched_by_value(tokenizer):
    assert tokenizer.encode("'hello' 0x0A")[:-2].tolist() == tokenizer.encode('"hello" 10')[:-2].tolist()
    assert tokenizer.encode("1.0")[0] == tokenizer.unk  # a float is not the integer


@pytest.mark.parametrize("text", ["foo", "3.5", "a ? b", "'open", "(1\n", "if 1:\n  x\n y\n", "f'{1}'", "\x00"])
def test_unknown_text_becomes_unk(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.unk in ids.tolist()
    assert ids[-1] == tokenizer.eos


def test_decode_takes_any_ids(tokenizer):
    text = tokenizer.decode(range(len(tokenizer)))
    assert "<PAD>" not in text
    assert tokenizer.decode([tokenizer.eos, 5]) == ""
    assert tokenizer.decode(reversed(range(len(tokenizer)))).count("    ") >= 0  # DEDENT first does not fail


def test_classes():
    expected = {
        "<EOS>": "SPECIAL",
        "NEWLINE": "LAYOUT",
        "10": "NUMBER",
        "1.5": "NUMBER",
        '"a"': "TEXT",
        "True": "WORD",
        "None": "WORD",
        "var_x": "VARIABLE",
        "func_b": "FUNCTION",
        "while": "WORD",
        "+=": "WORD",
        "'": "WORD",
    }
    assert {token: token_class(token) for token in expected} == expected


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a": 1}', "list of strings"),
        ('["<PAD>", 3]', "list of strings"),
        (json.dumps(list(SPECIAL_TOKENS)), "missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, complaint):
    path = tmp_path / "vocab.json"
    path.write_text(content)
    with pytest.raises(VocabularyError, match=complaint) as error:
        Tokenizer.from_file(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VocabularyError, match="cannot be read"):
        Tokenizer.from_file(tmp_path / "none.json")


@pytest.mark.parametrize("token", [*SPECIAL_TOKENS, "NEWLINE", "INDENT", "DEDENT"])
def test_no_special_token_may_be_missing(tokenizer, token):
    with pytest.raises(VocabularyError, match=f"{token} is missing"):
        Tokenizer([t for t in tokenizer.tokens if t != token])


@pytest.mark.parametrize("token", ["", "a b", "-1", " x", "1 2", "'''a\nb'''", "\n", "#", "'open"])
def test_a_token_is_one_python_token(tokenizer, token):
    with pytest.raises(VocabularyError, match="not one Python token"):
        Tokenizer([*tokenizer.tokens, token])


@pytest.mark.parametrize("token", ["print", "'hello'", "0x1", "<EOS>"])
def test_no_token_twice(tokenizer, token):
    with pytest.raises(VocabularyError, match="the same token"):
        Tokenizer([*tokenizer.tokens, token])


def test_a_user_adds_a_word_by_adding_a_token(tokenizer):
    larger = Tokenizer([*tokenizer.tokens, '"goodbye"'])
    assert larger.decode(larger.encode("print('goodbye')")) == 'print ( "goodbye" )\n'
