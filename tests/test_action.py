"""The GitHub action: its file keeps GitHub's schema, and its shell scripts do what it says.

The scripts run here, one after the other as a runner would, with `gh` replaced by a script that
writes down how it was called.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import robobench
from robobench.testing.regression import freeze_baseline

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"] if "id" in step}
WORKFLOW = ROOT / "docs" / "examples" / "workflows" / "robustness.yml"


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("github-actions", ROOT / "action.yml"),
        ("github-workflows", WORKFLOW),
        ("github-workflows", ROOT / ".github" / "workflows" / "ci.yml"),
    ],
)
def test_githubs_schema(schema, file):
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_workflow_uses_what_there_is():
    steps = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["robustness"]["steps"]
    used = next(step for step in steps if "robobench" in step.get("uses", ""))
    assert set(used["with"]) <= set(ACTION["inputs"])
    named = re.findall(r"outputs\.(\w+)", WORKFLOW.read_text(encoding="utf-8"))
    assert set(named) <= set(ACTION["outputs"])


def test_scripts_get_inputs_as_variables_only():
    """Text of a pull request, put into a script by the runner, would be run."""
    assert not [name for name, step in STEPS.items() if "${{" in step.get("run", "")]


class Runner:
    """What GitHub's runner does with the action's steps, as far as they use it.

    Args:
        folder: An empty folder.
        inputs: The inputs that are given.
    """

    def __init__(self, folder, **inputs):
        self.folder = folder
        self.inputs = {k: v["default"] for k, v in ACTION["inputs"].items()} | inputs
        self.outputs = {}
        for name in ("temp", "bin", "calls"):
            (folder / name).mkdir()
        self.executable("robobench", f'exec "{sys.executable}" -m robobench "$@"')
        self.executable("gh", GH)

    def executable(self, name, script):
        file = self.folder / "bin" / name
        file.write_text(f"#!/usr/bin/env bash\n{script}\n")
        file.chmod(0o755)

    def value(self, expression):
        known = {
            "github.repository": "owner/model",
            "github.event.pull_request.number": "7",
            "github.action_path": str(self.folder / "action"),
            "github.server_url": "https://github.com",
            "github.run_id": "1",
            **{f"inputs.{k}": v for k, v in self.inputs.items()},
            **{f"steps.{s}.outputs.{k}": v for (s, k), v in self.outputs.items()},
        }
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], str(expression))

    def step(self, name):
        files = {key: self.folder / "temp" / f"{key}-{name}" for key in ("output", "summary")}
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "CALLS": str(self.folder / "calls"),
            **{k: self.value(v) for k, v in STEPS[name].get("env", {}).items()},
        }
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        done = subprocess.run(
            bash, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if files["output"].exists():
            for line in files["output"].read_text().splitlines():
                key, _, value = line.partition("=")
                self.outputs[name, key] = value
        return done

    @property
    def calls(self):
        """The arguments of each call of gh, in order."""
        return [json.loads(f.read_text()) for f in sorted((self.folder / "calls").glob("*.json"))]


GH = f'''
"{sys.executable}" - "$@" <<'PYTHON'
import json, os, pathlib, sys
folder = pathlib.Path(os.environ["CALLS"])
number = len(list(folder.glob("*.json")))
(folder / f"{{number:02}}.json").write_text(json.dumps(sys.argv[1:]))
if "--paginate" in sys.argv and (folder / "existing").exists():
    print((folder / "existing").read_text())
sys.exit((folder / "forbidden").exists())
PYTHON
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small run, its baseline, and one that nothing reaches."""
    place = tmp_path_factory.mktemp("action")
    run = robobench.run("org", "jpeg:10-30/20", limit=40, out=place / "run")
    freeze_baseline(run, place / "same.json")
    (place / "broken.json").write_text("{}")
    more = robobench.run("org", "jpeg:10-50/20", limit=40, out=place / "more")
    freeze_baseline(more, place / "more.json")
    return place


def checked(made, tmp_path, baseline="", **inputs):
    """A runner that has done the run, by copying it, and the check."""
    runner = Runner(tmp_path, baseline=baseline, out="run", **inputs)
    shutil.copytree(made / "run", tmp_path / "run")
    (tmp_path / "temp" / "robobench-run.md").write_text("| org |\n\nnote: small print\nreport: x\n")
    done = runner.step("check")
    assert done.returncode == 0, done.stderr
    return runner


@pytest.mark.slow
def test_it_runs_with_the_inputs(tmp_path):
    runner = Runner(
        tmp_path, corruptions="jpeg:30", limit="20", arguments="--label 'my model' --no-report"
    )
    done = runner.step("run")
    assert done.returncode == 0, done.stderr
    assert "my model" in (tmp_path / "temp" / "robobench-run.md").read_text()
    run = robobench.load(tmp_path / "runs" / "robobench")
    assert run.manifest["dataset"]["count"] == 20
    odd = Runner(tmp_path / "odd", methods="og") if (tmp_path / "odd").mkdir() is None else None
    done = odd.step("run")
    assert done.returncode == 2, "a failed run fails the step, in spite of tee"
    assert "did you mean" in done.stderr


@pytest.mark.parametrize(
    ("baseline", "outcome", "code"), [("", "unchecked", 0), ("same.json", "same", 0), ("broken.json", "refused", 2)]
)  # fmt: skip
def test_what_it_makes_of_the_check(baseline, outcome, code, made, tmp_path):
    runner = checked(made, tmp_path, str(made / baseline) if baseline else "")
    assert runner.outputs["check", "outcome"] == outcome
    summary = Path(runner.outputs["check", "summary"]).read_text()
    assert summary.startswith("<!-- robobench -->\n### robobench")
    assert "| org |" in summary
    assert "small print" not in summary
    assert "actions/runs/1#artifacts" in summary
    done = runner.step("verdict")
    assert done.returncode == code
    assert ("::error" in done.stdout) == (code != 0)


@pytest.mark.parametrize(("arguments", "outcome"), [("", "missing"), ("--allow-missing", "same")])
def test_the_check_takes_further_arguments(arguments, outcome, made, tmp_path):
    given = {"check-arguments": arguments}
    runner = checked(made, tmp_path, str(made / "more.json"), **given)
    assert runner.outputs["check", "outcome"] == outcome


def test_a_comment_is_not_longer_than_github_takes(made, tmp_path):
    runner = Runner(tmp_path, out="run")
    shutil.copytree(made / "run", tmp_path / "run")
    (tmp_path / "temp" / "robobench-run.md").write_text("| größer |\n" * 9000, encoding="utf-8")
    assert runner.step("check").returncode == 0
    comment = Path(runner.outputs["check", "summary"]).read_text(encoding="utf-8")
    assert len(comment) < 65_536
    assert comment.endswith("Cut here: the summary of the job has the rest.\n")
    assert (tmp_path / "temp" / "summary-check").read_text(encoding="utf-8").count("größer") == 9000


def test_a_regression_fails_the_job(tmp_path, write_run):
    good = write_run(tmp_path / "good", ("afd",), shown=False)
    bad = write_run(
        tmp_path / "bad", ("afd",), shown=False, weights="b", skill={"afd": (0.9, 0.14)}
    )
    freeze_baseline(good, tmp_path / "good.json")
    runner = Runner(tmp_path, baseline=str(tmp_path / "good.json"), out=str(bad))
    (tmp_path / "temp" / "robobench-run.md").write_text("")
    assert runner.step("check").returncode == 0, "the comment comes before the failure"
    assert runner.outputs["check", "outcome"] == "worse"
    assert runner.step("verdict").returncode == 1


def test_it_comments_once_and_then_changes_its_comment(made, tmp_path):
    runner = checked(made, tmp_path)
    assert runner.step("comment").returncode == 0
    listed, written = runner.calls
    assert "repos/owner/model/issues/7/comments" in listed
    assert "--method" not in written
    assert written[-2].startswith("body=@")
    (tmp_path / "calls" / "existing").write_text("41\n42")
    assert runner.step("comment").returncode == 0
    changed = runner.calls[-1]
    assert changed[:4] == ["api", "--method", "PATCH", "repos/owner/model/issues/comments/41"]


def test_without_the_right_to_comment_it_warns(made, tmp_path):
    runner = checked(made, tmp_path)
    (tmp_path / "calls" / "forbidden").touch()
    done = runner.step("comment")
    assert done.returncode == 0
    assert "::warning" in done.stdout


def test_installing_takes_requirements_apart(tmp_path):
    runner = Runner(tmp_path, requirements="timm 'torch>=2.4' -r more.txt")
    runner.executable("python", 'printf "%s\\n" "$@"')
    said = runner.step("install").stdout.splitlines()
    assert said == [*("-m", "pip", "install", str(tmp_path / "action")),
                    *("timm", "torch>=2.4", "-r", "more.txt")]  # fmt: skip
