"""How a mistaken command ends."""

from robobench.cli import _exit_code


def ending(arguments, capsys):
    """Exit code and error line of a command; more than one line, or none, fails."""
    capsys.readouterr()
    code = _exit_code([str(a) for a in arguments])
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err or captured.out
    assert lines[0].startswith("robobench: ")
    return code, lines[0]
