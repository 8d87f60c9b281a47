"""A folder that is not what was saved: an error in words, or the very same model."""

import hashlib
import importlib.util
import json
import os
import re
import shutil

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression

import focaltab
from focaltab import FocalLGBMClassifier, FocalXGBClassifier
from focaltab.persistence import read_manifest

WITH_TORCH = importlib.util.find_spec("torch") is not None
N_DAMAGED = 2000


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, np.where(X[:, 0] + rng.normal(size=200) > 1.0, "fraud", "fine")


@pytest.fixture(scope="module")
def model(rows):
    # Every kind of file.
    members = [
        ("xgb", FocalXGBClassifier(n_estimators=2, max_depth=2)),
        ("lgbm", FocalLGBMClassifier(n_estimators=2, num_leaves=3, verbosity=-1)),
    ]
    if WITH_TORCH:
        from focaltab import FocalMLPClassifier

        members.append(("mlp", FocalMLPClassifier((3,), max_iter=1)))
    return VotingClassifier(members, voting="soft").fit(*rows)


@pytest.fixture
def folder(model, rows, tmp_path):
    focaltab.save(model, tmp_path / "m", X=rows[0], y=rows[1])
    return tmp_path / "m"


def test_bytes_that_flip_and_files_that_end_early(folder, model, rows):
    rng = np.random.default_rng(0)
    whole = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    kinds = {"json", "txt", "skops"} | ({"safetensors"} if WITH_TORCH else set())
    assert {name.rpartition(".")[2] for name in whole} >= kinds
    expected = model.predict_proba(rows[0])
    refused = 0
    for k in range(N_DAMAGED):
        name = sorted(whole)[k % len(whole)]
        content = bytearray(whole[name])
        place = int(rng.integers(len(content)))
        if rng.random() < 0.3:
            del content[place:]
        else:
            content[place] ^= 1 << int(rng.integers(8))
        (folder / name).write_bytes(content)
        try:
            found = focaltab.load(folder)
        except ValueError as error:
            refused += 1
            assert str(folder) in str(error)
        else:
            np.testing.assert_array_equal(found.predict_proba(rows[0]), expected)
        (folder / name).write_bytes(whole[name])
    assert refused == N_DAMAGED  # every byte of every file counts
    np.testing.assert_array_equal(focaltab.load(folder).predict_proba(rows[0]), expected)


def sealed(folder):
    """Digests anew, as someone who can write the folder could make them."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name != "SHA256SUMS":
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_forged_files_with_new_digests_run_nothing_and_tell_what_is_wrong(folder, rows):
    """Flips in what Python reads; the boosters' own parsers are not ours to vouch for."""
    rng = np.random.default_rng(1)
    names = [p.name for p in folder.iterdir() if p.suffix in (".skops", ".safetensors")]
    names.append("manifest.json")
    whole = {name: (folder / name).read_bytes() for name in names}
    for k in range(300):
        name = names[k % len(names)]
        content = bytearray(whole[name])
        place = int(rng.integers(len(content)))
        content[place] ^= 1 << int(rng.integers(8))
        (folder / name).write_bytes(content)
        sealed(folder)
        try:
            focaltab.load(folder)
        except (ValueError, ImportError) as error:
            assert str(folder) in str(error)
        (folder / name).write_bytes(whole[name])


class Burst:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_code_in_a_forged_file_is_not_run(folder, rows):
    class Sneaky(LogisticRegression):
        def __reduce__(self):
            return (eval, ("1/0",))

    for thing in (print, eval, Sneaky(), [Burst]):
        (folder / "model.skops").write_bytes(skops.io.dumps(thing))
        sealed(folder)
        with pytest.raises(ValueError, match=r"not trusted|cannot be read"):
            focaltab.load(folder)


def test_missing_and_foreign_files(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no saved model: SHA256SUMS cannot be read"):
        focaltab.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no saved model"):
        focaltab.load(tmp_path / "empty")
    (folder / "notes.txt").write_text("beside the model, and no part of it")
    focaltab.load(folder)
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "lightgbm.txt").unlink()
    with pytest.raises(ValueError, match=r"lightgbm\.txt belongs to the model"):
        focaltab.load(tmp_path / "copy")
    for name in ("manifest.json", "model.skops"):
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / name).unlink()
        sealed(tmp_path / name)
        with pytest.raises(ValueError, match=rf"lacks {re.escape(name)}"):
            focaltab.load(tmp_path / name)
    (folder / "lightgbm.txt").unlink()
    sealed(folder)
    with pytest.raises(ValueError, match=r"part 'lightgbm\.txt' that is not among"):
        focaltab.load(folder)


@pytest.mark.parametrize("name", ["SHA256SUMS", "xgboost.json"])
def test_a_pipe_is_not_waited_for_nor_a_device_read_without_end(folder, name):
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (folder / name).unlink()
        make(folder / name)
        with pytest.raises(ValueError, match=rf"{re.escape(name)}.*\(not a file\)"):
            focaltab.load(folder)


@pytest.mark.parametrize("name", ["../m/xgboost.json", "/etc/passwd", "a b.json", "x.json\n"])
def test_names_that_lead_out_of_the_folder_are_refused(folder, name):
    listed = (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n{listed}")
    with pytest.raises(ValueError, match="no list of a model's files"):
        focaltab.load(folder)


def test_a_later_format_says_which_version_wrote_it(folder):
    facts = json.loads((folder / "manifest.json").read_text())
    facts |= {"format": 2, "focaltab": "9.0.0"}
    (folder / "manifest.json").write_text(json.dumps(facts))
    sealed(folder)
    for read in (focaltab.load, read_manifest):
        with pytest.raises(ValueError, match=r"format 2 by focaltab 9\.0\.0.*reads format 1"):
            read(folder)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"classes": "ab"}, "classes is a str"),
        ({"format": "1"}, "says no format"),
        ({"extra": 1}, "too many of: extra"),
        ({"reference": []}, "reference is a list"),
        ({"versions": {"scikit-learn": 1}}, "version of scikit-learn is a int"),
    ],
)
def test_manifests_that_make_no_sense(folder, change, message):
    facts = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(facts))
    sealed(folder)
    with pytest.raises(ValueError, match=message):
        read_manifest(folder)


def test_another_version_of_scikit_learn_is_told(folder):
    facts = json.loads((folder / "manifest.json").read_text())
    facts["versions"]["scikit-learn"] = "0.1.2"
    (folder / "manifest.json").write_text(json.dumps(facts))
    sealed(folder)
    with pytest.warns(UserWarning, match=r"saved with scikit-learn 0\.1\.2"):
        focaltab.load(folder)


def test_a_model_can_be_held_to_its_digest(model, rows, tmp_path):
    digest = focaltab.save(model, tmp_path / "m")
    assert digest == hashlib.sha256((tmp_path / "m" / "SHA256SUMS").read_bytes()).hexdigest()
    focaltab.load(tmp_path / "m", sha256=digest)
    with pytest.raises(ValueError, match="another model than the one asked for"):
        focaltab.load(tmp_path / "m", sha256="0" * 64)
