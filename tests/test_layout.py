"""The folders, what pyproject.toml says of them, and what is installed agree."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = SETUPTOOLS["package-dir"]


def inside(folder):
    return [p for p in (ROOT / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts]


@pytest.mark.parametrize(("package", "folder"), FOLDERS.items())
def test_every_file_is_packaged(package, folder):
    base = ROOT / folder
    inner = {ROOT / f for p, f in FOLDERS.items() if p.startswith(f"{package}.")}
    on_disk = {p for p in inside(folder) if not inner & set(p.parents)}
    patterns = ["*.py", *SETUPTOOLS["package-data"].get(package, [])]
    declared = {p for pattern in patterns for p in base.glob(pattern)}
    assert on_disk == declared


def test_every_folder_with_code_is_a_declared_package():
    with_code = {p.parent for f in FOLDERS.values() for p in inside(f) if p.suffix == ".py"}
    assert with_code == {ROOT / f for f in FOLDERS.values()}
    assert set(SETUPTOOLS["packages"]) == set(FOLDERS)


def test_no_module_of_bench_hides_a_package():
    for package in FOLDERS:
        name = package.removeprefix("robobench").removeprefix(".")
        assert not name or not (ROOT / "bench" / f"{name}.py").exists()


def test_wheel_holds_the_folders_and_nothing_else():
    shipped = {str(f) for f in files("robobench") or [] if f.parts[0] == "robobench"}
    shipped = {f for f in shipped if "__pycache__" not in f}
    if not shipped:
        pytest.skip("editable install")
    on_disk = {
        f"{package.replace('.', '/')}/{path.relative_to(ROOT / folder).as_posix()}"
        for package, folder in FOLDERS.items()
        for path in inside(folder)
        if not any(
            (ROOT / f) in path.parents for p, f in FOLDERS.items() if p.startswith(f"{package}.")
        )
    }
    assert shipped == on_disk


def test_folder_names_are_not_imported():
    assert not {"bench", "methods", "baselines", "reports"} & set(sys.modules)
    assert find_spec("robobench") is not None


def test_imports_point_down(tmp_path):
    """The contracts of [tool.importlinter], over the files of this checkout."""
    for package, folder in FOLDERS.items():
        shutil.copytree(
            ROOT / folder,
            tmp_path / package.replace(".", "/"),
            ignore=shutil.ignore_patterns("__pycache__", "*.safetensors", "*.json"),
            dirs_exist_ok=True,
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_top_level_is_a_short_list():
    assert len(list((ROOT / "bench").glob("*.py"))) <= 8


def test_files_stay_short():
    long = {
        str(p.relative_to(ROOT)): lines
        for f in [*FOLDERS.values(), "tests", "docs"]
        for p in inside(f)
        if p.suffix == ".py" and (lines := len(p.read_text().splitlines())) > 400
    }
    assert not long, f"does something in them want its own room? {long}"


def test_shipped_weights_stay_small():
    weights = [p for f in FOLDERS.values() for p in inside(f) if p.suffix == ".safetensors"]
    assert sum(p.stat().st_size for p in weights) < 60e6
