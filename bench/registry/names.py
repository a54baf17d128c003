"""The registries, one per kind of name, and how registered definitions are found.

Installed packages announce the module or package that holds such definitions through an entry
point in the group ``robobench.plugins``; a file is loaded with ``--plugin FILE.py``. Announced
sources are *read* (with `ast`), not imported, so that listing all names is fast and does not load
torch; a module is imported when one of its names is first used.
"""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from robobench.errors import RobobenchError, foreign, unknown_name


@dataclass
class Entry:
    """What is known about a registered name.

    Attributes:
        name: The name as users write it.
        summary: First line of the docstring.
        module: Import name of the module that holds the definition.
        qualname: The object's name there.
        options: Keyword arguments of the decorator (literals only until the module is imported).
        target: The object, or None while its module has not been imported.
        override: Whether it may replace another definition of the name.
        overrides: Origins of the definitions that it replaces.
    """

    name: str
    summary: str
    module: str
    qualname: str
    options: dict[str, Any] = field(default_factory=dict)
    target: Any = None
    override: bool = False
    overrides: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Where the name comes from, for messages."""
        return f"{self.module}.{self.qualname}"


class Registry:
    """Names of one kind and the objects they refer to.

    Args:
        kind: The kind of name, for messages.
        built_in: Whether robobench itself registers any; if not, its own sources are not read.
        reserved: Names that mean something else where names of this kind are written.

    Attributes:
        kind: As above.
        reserved: As above; names may be added.
    """

    def __init__(
        self, kind: str, *, built_in: bool = True, reserved: Mapping[str, str] | None = None
    ) -> None:
        self.kind = kind
        self.reserved = dict(reserved or {})
        self._built_in = built_in
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}

    def register(
        self,
        name: str,
        *,
        aliases: tuple[str, ...] = (),
        override: bool = False,
        **options: Any,
    ) -> Callable[[Any], Any]:
        """A decorator that registers a class or function under a name.

        Args:
            name: Lower case, as users write it.
            aliases: Alternative names.
            override: Whether it replaces the definition that has the name.
            options: Stored with the entry (a corruption's group, a section's order).

        Raises:
            RobobenchError: The name cannot be one, or is taken by another definition.
        """
        if not isinstance(name, str):
            raise RobobenchError(
                f"@robobench.{self.kind} above {getattr(name, '__qualname__', name)}: its name is "
                f'expected, @robobench.{self.kind}("NAME")'
            )

        def register(target: Any) -> Any:
            definition = getattr(target, "callback", target)  # of a click command
            summary = (definition.__doc__ or "").strip().partition("\n")[0]
            entry = Entry(
                *(name, summary, definition.__module__, definition.__qualname__),
                *({k: v for k, v in options.items() if v is not None}, target, override),
            )
            if self._built_in and entry.module.partition(".")[0] != "robobench":
                _announce_entry_points(own=True)  # else a name could be taken unnoticed
            self._add(entry, aliases, override)
            return target

        return register

    def _add(self, entry: Entry, aliases: tuple[str, ...], override: bool = False) -> None:
        if isinstance(aliases, str) or not all(isinstance(alias, str) for alias in aliases):
            raise RobobenchError(
                f"{self.kind} {entry.name!r} of {entry.origin}: aliases are a tuple of names, got "
                f"{aliases!r}"
            )
        own: list[str] = []
        if group := entry.options.get("group"):
            self._check_group(group, entry)
        for name in (entry.name, *aliases):
            self._check_name(name, entry.origin)
            if meaning := self._meaning(name):
                raise RobobenchError(
                    f"{self.kind} {name!r} of {entry.origin} is {meaning}: choose another name"
                )
            if self._is_free(name, entry, override):
                own.append(name)
        if entry.name not in own:
            return  # what was replaced is imported later, by another module
        known = self._entries.setdefault(entry.name, entry)
        if entry.target is not None:  # announced before, now defined
            known.options, known.target = entry.options, entry.target
            known.override, known.overrides = override, known.overrides or entry.overrides
        self._aliases.update(dict.fromkeys(own[1:], entry.name))

    def _is_free(self, name: str, entry: Entry, override: bool) -> bool:
        """Whether an entry may have a name; False if another one has replaced it there."""
        held = self._entries.get(self._aliases.get(name, name))
        if held is None or held.origin == entry.origin:
            return True
        if held.override and entry.target is None and not override:
            held.overrides += (entry.origin,)
        if entry.origin in held.overrides:
            return False
        if not override:
            raise RobobenchError(
                f"{self.kind} {name!r} of {entry.origin} is already registered by "
                f"{held.origin}: choose another name, or replace it with override=True"
            )
        entry.overrides += (held.origin, *held.overrides)
        if self._aliases.pop(name, name) == name:
            del self._entries[name]
        return True

    def _meaning(self, name: str) -> str:
        """What a name means already that is not an entry, if anything."""
        grouped = [e for e in self._entries.values() if e.options.get("group") == name]
        return self.reserved.get(name) or (f"the group of {grouped[0].name}" if grouped else "")

    def _check_group(self, group: str, entry: Entry) -> None:
        """Refuse a group that has the name of an entry: a selector would mean both."""
        if group in self._entries or group in self._aliases or group == entry.name:
            raise RobobenchError(
                f"{self.kind} {entry.name!r} of {entry.origin}: its group {group!r} has the name of "
                f"a {self.kind}: choose another"
            )

    def _check_name(self, name: str, origin: str) -> None:
        reserved = "@:,/\\" + ("+" if self.kind == "corruption" else "")
        if (
            name != name.strip().lower()
            or not name.isprintable()
            or name.startswith("-")
            or ".." in name
            or not name
            or set(reserved) & set(name)
        ):
            raise RobobenchError(
                f"{self.kind} name {name!r} of {origin}: expected lower case without surrounding "
                f"spaces, {' '.join(reserved)} or '..', not beginning with -"
            )

    def _announced(self) -> None:
        if self._built_in:
            _announce_entry_points(own=True)
        _announce_entry_points(own=False)

    def names(self) -> list[str]:
        """All registered names, without aliases, in order of announcement."""
        self._announced()
        return list(self._entries)

    def loaded(self) -> list[str]:
        """The names that are defined by now, without looking through installed packages."""
        return [name for name, entry in self._entries.items() if entry.target is not None]

    def canonical(self, name: str) -> str:
        """The name that an alias stands for.

        Raises:
            RobobenchError: The name is unknown; the message suggests the closest ones.
        """
        self._announced()
        canonical = self._aliases.get(name, name)
        if canonical not in self._entries:
            raise unknown_name(self.kind, name, [*self._entries, *self._aliases])
        return canonical

    def entry(self, name: str) -> Entry:
        """What is known about a name, without importing its module."""
        return self._entries[self.canonical(name)]

    def declared(self, name: str, option: str) -> Any:
        """What a definition declares, without importing it; None where it or its name is unknown."""
        return self.entry(name).options.get(option) if name in self else None

    def __contains__(self, name: object) -> bool:
        self._announced()
        return name in self._entries or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __getitem__(self, name: str) -> Any:
        """The registered object; its module is imported if it has not been yet.

        Raises:
            RobobenchError: The name is unknown, or its module cannot be imported.
        """
        entry = self.entry(name)
        if entry.target is None:
            import_plugin(entry.module)
            entry = self._entries[entry.name]
            if entry.target is None:
                raise RobobenchError(
                    f"{self.kind} {name!r}: {entry.module} was imported but did not register it; "
                    f"is {entry.qualname} defined at its top level?"
                )
        return entry.target

    def running(self, name: str) -> AbstractContextManager[None]:
        """Where the object runs: what a plug-in raises becomes one line that names it."""
        entry = self.entry(name)
        return foreign(f"{self.kind} {name!r} ({entry.origin})", entry.module)


METHODS = Registry("method")
# `robobench.corruptions.catalogue.GROUPS`, which is known only once that module is loaded.
_GROUPS = (
    *("noise", "blur", "weather", "digital", "extra"),
    *("common", "all", "codecs", "c-bar", "geometry"),
)
CORRUPTIONS = Registry(
    "corruption",
    reserved={"clean": "the name of undegraded images", **dict.fromkeys(_GROUPS, "a group")},
)
DATASETS = Registry("dataset")
BACKBONES = Registry("backbone")
METRICS = Registry("metric")
SECTIONS = Registry("section")
REPRODUCTIONS = Registry("reproduction")
STUDIES = Registry("study")
COMMANDS = Registry("command", built_in=False)

REGISTRIES = {
    registry.kind: registry
    for registry in (
        *(METHODS, CORRUPTIONS, DATASETS, BACKBONES, METRICS, SECTIONS),
        *(REPRODUCTIONS, STUDIES, COMMANDS),
    )
}


def replacements() -> list[str]:
    """One sentence for each definition that replaces another."""
    return [
        f"The {kind} {entry.name} is {entry.origin}, which replaces {', '.join(entry.overrides)}."
        for kind, registry in REGISTRIES.items()
        for entry in registry._entries.values()
        if entry.overrides
    ]


def import_plugin(module: str) -> None:
    """Import a module that registers things; a failure becomes a one-line error.

    Raises:
        RobobenchError: Importing raised.
    """
    with foreign(f"plugin {module} cannot be imported: it"):
        importlib.import_module(module)


def load_plugin_file(path: str | Path) -> None:
    """Run a Python file that registers methods, corruptions and so on (``--plugin``).

    Raises:
        RobobenchError: The file does not exist, or running it raised.
    """
    file = Path(path)
    if not file.is_file():
        raise RobobenchError(f"--plugin {path}: no such file; a Python file is expected")
    name = "robobench_plugin_" + "".join(c if c.isalnum() else "_" for c in str(file.resolve()))
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise RobobenchError(f"--plugin {path}: a Python file (.py) is expected")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as an import would
    try:
        with foreign(f"--plugin {path}: running it"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def announce_installed() -> None:
    """Announce every entry point in the group ``robobench.plugins``, once."""
    _announce_entry_points(own=True)
    _announce_entry_points(own=False)


@cache
def _announce_entry_points(*, own: bool) -> None:
    from importlib.metadata import entry_points  # takes as long as the rest of the start-up

    for point in sorted(entry_points(group="robobench.plugins"), key=lambda p: p.value):
        if (point.module.partition(".")[0] == "robobench") == own:
            announce(point.module)


def announce(module: str) -> None:
    """Read a module or package and record what it defines, without importing it.

    A module without a decorated definition at its top level is imported instead.

    Raises:
        RobobenchError: The module cannot be found, read or imported.
    """
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None:
        raise RobobenchError(f"plugin {module} is announced by an installed package but missing")
    sources = {module: Path(spec.origin)} if spec.origin else {}
    for folder in spec.submodule_search_locations or []:
        for file in sorted(Path(folder).glob("*.py")):
            if file.stem != "__init__":
                sources[f"{module}.{file.stem}"] = file
    found = [_read(name, file) for name, file in sources.items()]
    if not any(found):
        import_plugin(module)


def _read(module: str, file: Path) -> int:
    """Record the decorated definitions of one source file and return how many there were."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise RobobenchError(f"plugin {module} cannot be read: {error}") from error
    count = 0
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            call = _registration(decorator)
            if call is None:
                continue
            kind, name, options = call
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            aliases, override = options.pop("aliases", ()), options.pop("override", False)
            entry = Entry(name, summary, module, node.name, options, override=override)
            REGISTRIES[kind]._add(entry, aliases, override)
            count += 1
    return count


def _registration(decorator: ast.expr) -> tuple[str, str, dict[str, Any]] | None:
    """Kind, name and literal options of ``@method("name", ...)``; None for other decorators."""
    if not isinstance(decorator, ast.Call) or not decorator.args:
        return None
    function, first = decorator.func, decorator.args[0]
    kind = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if kind not in REGISTRIES or not isinstance(first, ast.Constant):
        return None
    if kind == COMMANDS.kind and ast.unparse(function) != f"robobench.{kind}":
        return None  # click's own decorator has that name too
    options = {}
    for keyword in decorator.keywords:
        try:
            options[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError:  # not a literal: known once the module is imported
            options["unread"] = True
    return kind, str(first.value), options
