"""What is printed, and where: a bar on a terminal and nowhere else, no colours, nothing that a program could send."""

import contextlib
import io
import os
import re
import sys
import termios
import threading

import pytest

from agent_core.progress import Improvement
from agent_core.run import console
from tests.test_runner import SMALL, main

ESCAPE = "\x1b"


def run(home, *more):
    (home / "config.ini").write_text("[run]\ntask = hello_world\nmax_attempts = 320\nshow_every = 2\n")
    return main([f"--config={home / 'config.ini'}", *(f"--set={key}={value}" for key, value in SMALL.items()), *more])


@contextlib.contextmanager
def terminal(sent: list[bytes]):
    """stdout and stderr are a terminal, which notes what is sent to it."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 150))

    def read():
        with contextlib.suppress(OSError):  # which says that nobody has it open any more
            while part := os.read(ours, 65_536):
                sent.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with open(theirs, "w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield
    reader.join()
    os.close(ours)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_a_bar_without_colours(tmp_path, no_color, monkeypatch):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm-256color")
    sent = []
    with terminal(sent):
        assert run(tmp_path) == 0
    text = b"".join(sent).decode()
    assert re.search(r"320/320 .*best 0\.\d{3}, mean 0\.\d{3}, \d+ distinct", text)
    assert ESCAPE not in text
    assert "\r" in text.replace("\r\n", "")


def test_elsewhere_there_is_a_plain_line_now_and_then(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "QUIET_SECONDS", 0.0)
    assert run(tmp_path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert len(re.findall(r"^[\d,]+ attempts: best 0\.\d{3}, mean 0\.\d{3}, \d+ distinct$", out, re.M)) == 10
    assert "\r" not in out
    assert ESCAPE not in out
    assert re.search(r"^attempt \d+: new best, reward 0\.\d{3}; line 1.*: got .*, wanted 'hello world'$", out, re.M)


def test_no_program_reaches_the_terminal_raw(monkeypatch):
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    bar = console.Bar.__new__(console.Bar)
    bar.show_best(Improvement(3, 0.5, "print('\x1b[2J')\nprint('\x9b')"), "")
    assert out.getvalue() == "attempt 3: new best, reward 0.500\n    print('\\x1b[2J')\n    print('\\x9b')\n"
