"""One registry, one door; listing imports nothing."""

import subprocess
import sys
import textwrap

import pytest

from robobench.errors import RobobenchError
from robobench.registry import METHODS, Registry, load_plugin_file
from robobench.registry.names import announce


@pytest.fixture
def module(tmp_path, monkeypatch, registered):
    """Write an importable module."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return write


def test_a_decorated_definition_is_known_before_its_module_is_imported(module):
    name = module(
        "plugin_lazy",
        '''
        import robobench

        @robobench.method("lazy-one", aliases=("lazy1",))
        class Lazy(robobench.Method):
            """Does next to nothing."""
        ''',
    )
    announce(name)
    assert METHODS.entry("lazy1").summary == "Does next to nothing."
    assert name not in sys.modules
    assert METHODS["lazy1"].__name__ == "Lazy"
    assert name in sys.modules


def test_what_registers_in_a_loop_is_imported(module):
    name = module(
        "plugin_loop",
        """
        import robobench

        for k in (1, 2):
            robobench.method(f"loop-{k}")(type("Loop", (robobench.Method,), {"k": k}))
        """,
    )
    announce(name)
    assert "loop-1" in METHODS
    assert METHODS["loop-2"].k == 2


def test_two_definitions_of_one_name_are_refused():
    door = Registry("method")
    door.register("same")(type("One", (), {"__module__": "a"}))
    with pytest.raises(RobobenchError, match=r"'same' of b\.Two is already registered by a\.One"):
        door.register("same")(type("Two", (), {"__module__": "b"}))


def test_an_alias_may_not_shadow_a_name():
    door = Registry("corruption")
    door.register("fog")(type("Fog", (), {}))
    with pytest.raises(RobobenchError, match=r"'fog' of .* is already registered"):
        door.register("mist", aliases=("fog",))(type("Mist", (), {}))


@pytest.mark.parametrize("name", ["", "Upper", "a,b", " padded"])
def test_odd_names_are_refused(name):
    with pytest.raises(RobobenchError, match="expected lower case"):
        Registry("method").register(name)(type("Odd", (), {}))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(RobobenchError, match=r"unknown method 'adf': did you mean 'afd'"):
        METHODS["adf"]


def test_a_plugin_that_raises_is_one_line(module, tmp_path):
    module("plugin_bad", "1 / 0")
    with pytest.raises(RobobenchError, match=r"running it raised ZeroDivisionError") as caught:
        load_plugin_file(tmp_path / "plugin_bad.py")
    assert "\n" not in str(caught.value)
    with pytest.raises(RobobenchError, match="no such file"):
        load_plugin_file(tmp_path / "absent.py")


def test_listing_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys; from robobench.cli import _exit_code;"
        "codes = [_exit_code(['list', k]) for k in ('methods', 'corruptions', 'datasets')];"
        "codes.append(_exit_code(['--help']));"
        "heavy = {'torch', 'matplotlib', 'numba', 'pandas', 'scipy', 'timm'} & set(sys.modules);"
        "sys.exit(f'{codes} {heavy}' if any(codes) or heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "afd" in done.stdout
    assert "jpeg_compression" in done.stdout
