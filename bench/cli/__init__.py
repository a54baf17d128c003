"""The command line: one file per subcommand, imported when it is called.

Each file defines one click command with the file's own name (followed by an underscore where that
would shadow a built-in) and imports heavy modules inside its functions, so that help and lists
appear at once.
"""

import os
import pkgutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from robobench.cli._memory import keep_freed_memory
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import COMMANDS, load_plugin_file

COMPLETING = "_ROBOBENCH_COMPLETE"  # click's name for what a shell's completion script sets
# The order in which a newcomer meets them; commands that are not named here follow by name.
_ORDER = [
    "run",
    "report",
    "plot",
    "reproduce",
    "train",
    "export",
    "compare",
    "check",
    "freeze",
    "verify",
    "merge",
    "corrupt",
    "preview",
    "rank",
]


def _built_in() -> list[str]:
    names = {m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}
    return [n for n in _ORDER if n in names] + sorted(names - set(_ORDER))


class _ReaderIsGone(Exception):
    """Nobody reads what a command prints: click would take the error for its own and exit with 1."""


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderIsGone from error


class _Commands(click.Group):
    """Subcommands are the modules of this package, and what plug-ins register."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _told_apart():  # help and version are printed here
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _told_apart():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Those that help shows: looking through installed packages would double its time."""
        return _built_in() + sorted(COMMANDS.loaded())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _built_in():
            if cmd_name not in COMMANDS:
                return None
            registered = COMMANDS[cmd_name]
            if not isinstance(registered, click.Command):
                raise RobobenchError(
                    f"command {cmd_name!r} ({COMMANDS.entry(cmd_name).origin}): a click command is "
                    f"expected (@click.command below), it is a {type(registered).__name__}"
                )
            return registered
        module = import_module(f"{__name__}.{cmd_name}")
        # `list` would shadow the built-in type in its own file: it is called list_ there.
        command: click.Command = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args and not args[0].startswith("-") else None
        if name is not None and name not in _built_in() and name not in COMMANDS:
            raise unknown_name("command", name, [*_built_in(), *COMMANDS])
        if name in _built_in():
            _refuse_empty(args[1:])
        return super().resolve_command(ctx, args)


def _refuse_empty(arguments: list[str]) -> None:
    """Empty text is not the default: ``--config "$FILE"`` without FILE would evaluate everything.

    Raises:
        RobobenchError: An argument, or an option's value, is empty.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if not argument.startswith("--"):
            option, equals, value = before if before.startswith("--") else "", "=", argument
        if equals and not value.strip():
            what = f"{option}: a value" if option else "an argument"
            raise RobobenchError(
                f"{what} is expected, got {value!r}; leave {option or 'it'} out for the default"
            )


COMMANDS.reserved = dict.fromkeys(_built_in(), "a command of robobench")


def _load_plugins(ctx: click.Context, parameter: click.Parameter, files: tuple[str, ...]) -> None:
    for file in files:
        load_plugin_file(file)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start here:  robobench run --methods afd,ddp --corruptions jpeg,noise\n\n"
    "Commands that installed packages add:  robobench list commands",
)
@click.version_option(package_name="robobench", message="robobench %(version)s")
@click.option(
    "--plugin",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_load_plugins,
    help="Python file that registers more, including commands.",
)
def cli() -> None:
    """How much does an image classifier lose on degraded images, and which remedy gives it back?"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 check failed, 2 misuse, 3 internal, 4 cells, 130.

    Args:
        arguments: Command-line arguments; those of the process by default.
    """
    keep_freed_memory()
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="robobench", standalone_mode=False)
    except RobobenchError as error:
        return _complain(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context else ""
        return _complain(" ".join(error.format_message().split()).rstrip(".") + hint, 2)
    except (click.Abort, KeyboardInterrupt):
        return _complain(
            "interrupted; what is stored is kept, and the same command resumes from there", 130
        )
    except _ReaderIsGone:  # `robobench list methods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError as error:
        return _complain(
            f"not enough memory ({' '.join(str(error).split()) or 'none left'}): a smaller "
            "--batch-size, --resize or --limit needs less",
            2,
        )
    except SystemExit as error:  # click does not exit here, so that it is not robobench's
        if COMPLETING in os.environ:  # unless a shell asks it what could come next
            return int(error.code or 0)
        return _complain(f"{_where(error)} ended the program (exit code {error.code})", 3)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        with tempfile.NamedTemporaryFile(
            "w", prefix="robobench-", suffix=".log", delete=False
        ) as log:
            traceback.print_exc(file=log)
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return _complain(f"internal error, please report it with {log.name}: {what}", 3)
    return result if isinstance(result, int) else 0


def _where(error: BaseException) -> str:
    """File and line that raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno},"


def _complain(message: str, code: int) -> int:
    click.echo(f"robobench: {message}", err=True)
    return code
