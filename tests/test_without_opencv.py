"""On a machine where OpenCV cannot be imported: no libGL, as in slim containers."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
HIDE = "import sys; sys.modules['cv2'] = None\n"


def python(code, folder):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", HIDE + code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_corruption_and_filter_runs(tmp_path):
    code = (
        "import robobench\n"
        "result = robobench.run(methods='median,bilateral,nlm', corruptions='all', limit=4,\n"
        "                       severities=3, out='out')\n"
        "assert set(result.frame['method']) == {'org', 'median', 'bilateral', 'nlm'}\n"
        "assert result.frame['corruption'].nunique() == 20\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_first_command_of_the_readme_runs(tmp_path):
    lines = README.read_text(encoding="utf-8").splitlines()
    command = shlex.split(next(line for line in lines if line.startswith("robobench run ")))
    code = (
        "from robobench.cli import main\n"
        f"sys.argv = {[*command, '--limit', '8', '--out', 'out']}\n"
        "main()\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "results.csv").is_file()


def test_the_second_engine_says_that_opencv_is_missing(tmp_path):
    code = (
        "from robobench.cli import main\n"
        "sys.argv = ['robobench', 'run', '--engine', 'imagecorruptions', '--corruptions', 'fog',\n"
        "            '--methods', 'org', '--limit', '4', '--out', 'out']\n"
        "main()\n"
    )
    done = python(code, tmp_path)
    assert done.returncode == 2
    assert "cv2" in done.stderr
    assert "Traceback" not in done.stderr
