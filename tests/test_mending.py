"""What is damaged in a run's folder is named, kept aside and made anew, the same bytes as before."""

import json
import os
import shutil

import pytest

import robobench
from robobench.checking.verify import verify
from robobench.errors import RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.plan import prepare
from robobench.evaluation.run import execute
from robobench.results.manifest import read_manifest, recorded_checksums, write_manifest
from robobench.results.store import Store

SETTINGS = {"methods": "org,median", "corruptions": "jpeg,shot_noise", "severities": "1,5"}


def files(folder):
    """The bytes that a run promises to be the same: cells and tables."""
    paths = [*(folder / "cells").glob("*.npz"), *folder.glob("results.*")]
    return {p.name: p.read_bytes() for p in paths if not ".damaged" in p.name}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    go_on(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def go_on(folder, **settings):
    """Repeat the run; returns what it said of damaged files."""
    told = []
    configuration = Configuration.from_settings(
        {**SETTINGS, "limit": 128, "out": folder, **settings}
    )
    execute(prepare(configuration), tell=told.append)
    return told


def flip(path):
    spoilt = bytearray(path.read_bytes())
    spoilt[len(spoilt) // 2] ^= 4
    path.write_bytes(spoilt)


def make_folder(path):
    path.unlink()
    path.mkdir()


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def cell_of(folder, place=3):
    return sorted((folder / "cells").glob("*.npz"))[place]


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_a_damaged_cell_is_named_kept_and_computed_anew(damage, whole, folder):
    path = cell_of(folder)
    damage(path)
    spoilt = path.read_bytes() if path.exists() else None
    assert any(path.name in p or path.stem[-16:] in p for p in verify(folder).problems)
    told = go_on(folder)
    assert files(folder) == files(whole)
    assert verify(folder).problems == []
    if spoilt is None:
        assert told == []
        return
    kept = path.with_name(path.name + ".damaged")
    assert kept.read_bytes() == spoilt
    assert told == [f"cells/{path.name}: damaged, kept as cells/{kept.name}; it is computed anew"]
    assert read_manifest(folder)["sessions"][-1]["mended"] == told
    assert kept.name in " ".join(verify(folder).notes)


def test_bytes_that_mean_nothing_are_mended_too(whole, folder):
    path = cell_of(folder)
    raw = bytearray(path.read_bytes())
    raw[10] ^= 1  # the time of day in a zip file's first header
    path.write_bytes(raw)
    assert "not the bytes that the run wrote" in verify(folder).problems[0]
    assert len(go_on(folder)) == 1
    assert files(folder) == files(whole)


@pytest.mark.parametrize("damage", [flip, cut, os.unlink, make_folder])
@pytest.mark.parametrize("name", ["results.csv", "results.parquet"])
def test_a_damaged_table_is_written_anew(damage, name, whole, folder):
    damage(folder / name)
    what = "damaged" if (folder / name).exists() else "missing"
    assert any(p.startswith(f"{name} is {what}") for p in verify(folder).problems)
    told = go_on(folder)
    assert told[0].startswith(f"{name}: ")
    assert told[0].endswith("it is written anew")
    assert files(folder) == files(whole)


@pytest.mark.parametrize("damage", [flip, cut, os.unlink])
def test_a_damaged_manifest_is_restored_from_its_copy(damage, whole, folder):
    before = read_manifest(folder)
    damage(folder / "manifest.json")
    with pytest.raises(RobobenchError, match="restores it from its copy"):
        verify(folder)
    with pytest.raises(RobobenchError, match="restores it from its copy"):
        robobench.load(folder)
    assert go_on(folder)[0].startswith("manifest.json: ")
    after = read_manifest(folder)
    assert after["sessions"][:-1] == before["sessions"]
    assert after["methods"] == before["methods"]
    assert files(folder) == files(whole)


def test_a_damaged_copy_is_written_anew(folder):
    flip(folder / "manifest.copy.json")
    assert "is itself damaged" in verify(folder).problems[0]
    go_on(folder)
    assert verify(folder).problems == []
    (folder / "manifest.copy.json").unlink()
    found = verify(folder)
    assert found.problems == [], "nothing that the run says is in doubt"
    assert any("manifest.copy.json" in note and "is missing" in note for note in found.notes)
    go_on(folder)
    assert not any("is missing" in note for note in verify(folder).notes)


def test_without_manifest_and_copy_nothing_is_guessed(folder):
    flip(folder / "manifest.json")
    cut(folder / "manifest.copy.json")
    with pytest.raises(RobobenchError, match="no intact copy of it either"):
        go_on(folder)


def test_a_cell_of_another_command_is_named_with_that_command(folder):
    path = next((folder / "cells").glob("median_*jpeg*.npz"))
    flip(path)
    told = go_on(folder, methods="org")
    assert (
        "this command does not compute it anew, `robobench" in told[0] or "`python` does" in told[0]
    )
    said = verify(folder).problems
    assert any("1 cell that was made is gone or damaged" in p for p in said)
    go_on(folder)
    assert verify(folder).problems == []


def test_a_killed_session_is_in_the_manifest_with_its_cells(whole, folder):
    manifest = read_manifest(folder)
    session = manifest["sessions"][0]
    for name in ("seconds", "made", "cells"):
        del session[name]  # as it is while it runs
    write_manifest(folder, manifest)
    cell_of(folder).unlink()
    assert "session 1, started" in verify(folder).notes[0]
    go_on(folder)
    killed, now = read_manifest(folder)["sessions"]
    assert killed["killed"]
    assert killed["cells"] == len(killed["made"]) == 9
    assert now["cells"] == 1
    assert files(folder) == files(whole)
    assert any("session 1 was killed; it had made 9 cells" in n for n in verify(folder).notes)
    run = robobench.load(folder)
    assert all(run.environment(cell) for cell in run.cells)


def test_cells_that_a_killed_session_extended_are_kept(folder):
    manifest = read_manifest(folder)
    part = folder.parent / "part"
    go_on(part, limit=200)
    for path in list((part / "cells").glob("*.npz"))[:4]:
        shutil.copy(path, folder / "cells")
    manifest["sessions"].append({**manifest["sessions"][0], "images": 200})
    for name in ("seconds", "made", "cells"):
        del manifest["sessions"][-1][name]
    write_manifest(folder, manifest)
    assert go_on(folder, limit=200) == []
    assert [s["cells"] for s in read_manifest(folder)["sessions"]] == [10, 4, 6]
    assert files(folder) == files(part)


def test_the_manifest_has_a_checksum_of_every_cell(folder):
    recorded = recorded_checksums(read_manifest(folder))
    assert {c.digest[:16] for c in Store(folder).cells()} == set(recorded)
    assert {images for _, images in recorded.values()} == {128}


def test_verify_says_what_it_checked(folder):
    claims = verify(folder).claims
    assert [claim.partition(":")[0] for claim in claims] == [
        *("cells", "manifest", "tables", "images", "not checked")
    ]
    assert "10 of 10 are there with intact values (1,280 predictions); 10 files" in claims[0]
    manifest = read_manifest(folder)
    del manifest["sessions"], manifest["tables"], manifest["checksum"]
    (folder / "manifest.json").write_text(json.dumps({**manifest, "sessions": []}))
    claims = verify(folder).claims
    assert "0 files are compared with the manifest's checksums, 10 only with their own" in claims[0]
    assert "no checksum" in claims[1]
    assert "without checksums in the manifest" in claims[2]


# --- shards --------------------------------------------------------------------------------------


def test_shards_write_the_same_bytes_in_any_order(whole, tmp_path):
    for shard in ("3/3", "1/3", "2/3"):
        assert not (tmp_path / "results.csv").exists()
        go_on(tmp_path, shard=shard)
    assert files(tmp_path) == files(whole)
    sessions = read_manifest(tmp_path)["sessions"]
    assert [s["shard"] for s in sessions] == ["3/3", "1/3", "2/3"]
    assert sum(s["cells"] for s in sessions) == 10
    assert read_manifest(tmp_path)["configuration"]["shard"] is None
    assert verify(tmp_path).problems == []


def test_one_shard_more_than_once_and_a_run_beside_it_are_refused(tmp_path):
    from robobench.evaluation.locking import writing_to

    with writing_to(tmp_path, (1, 3)):
        with pytest.raises(RobobenchError, match="shard 1/3 of a run is writing"):
            go_on(tmp_path, shard="1/3")
        with pytest.raises(RobobenchError, match="shard 1/3 of a run is writing"):
            go_on(tmp_path)
        go_on(tmp_path, shard="2/3")


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(RobobenchError, match="from '1/8' to '8/8'"):
        Configuration.from_settings({"shard": text})


# --- merging -------------------------------------------------------------------------------------


def test_runs_of_two_machines_become_one(whole, tmp_path):
    from robobench.results.merging import merge

    go_on(tmp_path / "a", methods="org")
    go_on(tmp_path / "b", methods="median")
    merged, notes = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "new" / "ab")
    assert notes == []
    ours = {p.name: p.read_bytes() for p in (merged.folder / "cells").iterdir()}
    assert ours == {p.name: p.read_bytes() for p in (whole / "cells").glob("*.npz")}
    assert verify(merged.folder).problems == []
    assert len(merged.frame) == len(robobench.load(whole).frame)
    assert go_on(merged.folder) == []
    assert read_manifest(merged.folder)["sessions"][-1]["cells"] == 0


def test_a_conflict_is_named_and_nothing_written(whole, folder, tmp_path):
    from robobench.results.merging import merge

    store = Store(folder)
    cell = store.cells()[2]
    altered = store.get(cell)
    altered.predicted[:5] += 1
    store.put(cell, altered)
    with pytest.raises(
        RobobenchError, match=f"{cell.method} on {cell.degradation.label}.*5 of 128"
    ):
        merge([whole, folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert os.listdir(tmp_path) == ["run"]


def test_other_probabilities_in_the_last_digits_are_noted(whole, folder, tmp_path):
    from robobench.results.merging import merge

    store = Store(folder)
    cell = store.cells()[2]
    altered = store.get(cell)
    altered.confidence[:] *= 0.9999999
    store.put(cell, altered)
    merged, notes = merge([whole, folder], tmp_path / "out")
    assert "1 cell has the same predictions" in notes[0]
    assert files(merged.folder) == files(whole)
    assert verify(merged.folder).problems == []


def test_what_does_not_belong_together_is_not_merged(whole, folder, tmp_path):
    from robobench.results.merging import merge

    go_on(tmp_path / "more", limit=200)
    with pytest.raises(RobobenchError, match="number of images 128"):
        merge([whole, tmp_path / "more"], tmp_path / "out")
    with pytest.raises(RobobenchError, match="two or more runs"):
        merge([whole, whole], tmp_path / "out")
    with pytest.raises(RobobenchError, match="is not empty"):
        merge([whole, folder], folder)
    manifest = read_manifest(folder)
    manifest["methods"][0]["weights"][""] = "other"
    write_manifest(folder, manifest)
    with pytest.raises(RobobenchError, match=r"is .* in one run, other in another"):
        merge([whole, folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()
