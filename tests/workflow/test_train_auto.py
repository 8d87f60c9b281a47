"""``focaltab train`` as it is without options: many models in a given time, and what takes them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from command_line import invoke
from sklearn.base import clone

import focaltab.ensemble
from focaltab.ensemble import default_members
from focaltab.explanation import explain
from focaltab.monitoring import Reference
from focaltab.workflow import TrainConfig, UserError, load_model, save_model, train


def table(n=900, seed=0):
    rng = np.random.default_rng(seed)
    x, city = rng.normal(size=n), rng.choice(["Oslo", "Žilina", "Bonn"], n)
    positive = x + (city == "Žilina") + rng.normal(size=n) > 2.3
    return pd.DataFrame(
        {
            "x [usd]": np.where(rng.random(n) < 0.1, np.nan, x),
            "city": city,
            "shop": [f"s{k}" for k in rng.integers(0, 60, n)],
            "day": pd.date_range("2025-01-01", periods=n, freq="h").astype(str),
            "id": [f"row {k}" for k in range(n)],
            "label": np.where(positive, "bad", "good"),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    told = []
    # Time enough on any machine, for a few of the members.
    config = TrainConfig("label", positive="bad", time_budget=300.0, drop=("day",))
    few = ("random_forest", "focal_xgb_gamma2", "logistic", "lgbm")
    with pytest.MonkeyPatch.context() as patch:
        members = {name: model for name, model in default_members().items() if name in few}
        patch.setattr(focaltab.ensemble, "default_members", lambda: members)
        result = train(table(), config, lambda *of: told.append(of))
    folder = tmp_path_factory.mktemp("auto") / "m"
    save_model(result, folder)
    return result, folder, told


def test_what_is_kept_are_several_models_that_were_judged_out_of_fold(trained):
    result, folder, told = trained
    members = json.loads((folder / "metrics.json").read_text())["members"]
    weights = {member["member"]: member["weight"] for member in members if member["weight"]}
    assert set(weights) == set(result.model[-1].members_)
    assert len(weights) > 1 and sum(weights.values()) == pytest.approx(1.0)
    assert {member["rows"] for member in members} == {720}
    losses = [member["log_loss"] for member in members]
    assert losses == sorted(losses)
    figures = result.figures
    assert list(figures["names"].values()) == [f"ensemble of {len(weights)}", "cross-entropy"]
    assert "ensemble" in result.verdict and "one booster of cross-entropy" in result.verdict
    of_ensemble = [of for of in told if of[0] == "ensemble"]
    assert [done for _, done, *_ in of_ensemble] == sorted(done for _, done, *_ in of_ensemble)
    assert any("best so far" in text and "s left" in text for *_, text in of_ensemble)


def test_identifiers_are_left_out_and_text_is_not_encoded_before_the_folds(trained):
    result, _, _ = trained
    assert list(result.features.left_out_) == ["id"]
    assert result.features.kinds_ == {"x [usd]": "number", "city": "category", "shop": "category"}


def test_the_folder_predicts_what_was_judged(trained):
    result, folder, _ = trained
    rows = table().iloc[result.predictions["row"]]
    model = load_model(folder)
    # In any order, among other columns, and without those that were left out.
    turned = rows.iloc[:, ::-1].drop(columns=["id"]).assign(more=1)
    for given in (rows, turned):
        probability, unseen = model.score_rows(given)
        np.testing.assert_allclose(probability, result.predictions["probability"], atol=1e-6)
        assert not unseen
    _, unseen = model.score_rows(rows.assign(city="Rome"))
    assert unseen == {"city": len(rows)}


def test_commands_take_the_folder(trained, tmp_path):
    pytest.importorskip("matplotlib")
    _, folder, _ = trained
    new = table(200, seed=1)
    new.to_csv(tmp_path / "new.csv", index=False)
    done = invoke("predict", folder, tmp_path / "new.csv", "--out", tmp_path / "s.csv")
    assert done.exit_code == 0, done.stderr
    expected = load_model(folder).score_rows(new)[0]
    assert pd.read_csv(tmp_path / "s.csv")["probability"].to_numpy() == pytest.approx(expected)
    assert invoke("report", folder, "--out", tmp_path / "r.html").exit_code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    members = json.loads((folder / "metrics.json").read_text())["members"]
    shown = page.split("<h2>Members of the ensemble</h2>")[1].split("</table>")[0]
    assert re.findall(r"<tr>\s*<t[dh][^>]*>([a-z_0-9]+)<", shown)[-len(members) :] == [
        member["member"] for member in members
    ]
    assert invoke("monitor", folder, tmp_path / "new.csv").exit_code == 0


def test_its_parts_are_explained_and_fitted_anew(trained):
    result, _, _ = trained
    X = table().drop(columns=["label"])
    explanation = explain(result.model, X.iloc[:3], background=X.iloc[::30])
    assert "city" in list(explanation.feature_names)
    again = clone(result.model).set_params(model__time_budget=1e-9)
    again.fit(X[:300], table()["label"][:300])
    assert list(again[-1].members_) == ["logistic"]
    assert isinstance(result.reference, Reference)


def test_an_ensemble_in_onnx(trained, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    from onnxruntime import InferenceSession

    from focaltab.export import onnx_inputs

    result, folder, _ = trained
    done = invoke("export", folder, "--out", tmp_path / "m.onnx")
    assert done.exit_code == 0, done.stderr
    session = InferenceSession(tmp_path / "m.onnx")
    rows = table(50, seed=2)
    probability = session.run(["probabilities"], onnx_inputs(session, rows))[0]
    expected = result.model.predict_proba(rows)
    np.testing.assert_allclose(probability, expected, atol=2e-5)


def test_options_of_one_model_choose_it():
    assert TrainConfig("label", n_estimators=5).filled().model == "xgb"
    assert TrainConfig("label", learning_rate=0.2).filled().model == "xgb"
    assert TrainConfig("label", max_epochs=5).filled().model == "mlp"
    assert TrainConfig("label", external_memory=True).filled().model == "xgb"
    assert TrainConfig("label").filled().time_budget == 60.0
    with pytest.raises(UserError, match="are for one model: use --model xgb"):
        TrainConfig("label", model="ensemble", n_estimators=5).check()
    with pytest.raises(UserError, match="--time-budget is for --model auto"):
        TrainConfig("label", model="xgb", time_budget=5.0).check()
    with pytest.raises(UserError, match="--time-budget must be positive"):
        TrainConfig("label", time_budget=-1.0).check()


@pytest.mark.parametrize("kept", ["cross_entropy", "focal"])
def test_the_loss_that_does_better_is_kept(kept, monkeypatch):
    """Focal loss only where its folds' log loss is lower by more than the noise."""
    data = table(1500).drop(columns=["id", "day"])
    if kept == "cross_entropy":
        # Nothing to learn: no loss is better than the other.
        data["label"] = np.random.default_rng(0).permutation(data["label"])
    else:
        # Cross-entropy far behind: it has a single round.
        from focaltab.workflow import _fit

        pipeline_of = _fit.pipeline_of

        def worse(config, gamma, *rest):
            pipeline = pipeline_of(config, gamma, *rest)
            return pipeline if gamma else pipeline.set_params(model__n_estimators=1)

        monkeypatch.setattr("focaltab.workflow._train.pipeline_of", worse)
    result = train(data, TrainConfig("label", positive="bad", n_estimators=40))
    assert result.figures["kept"] == kept
    name = {"focal": "focal gamma=2", "cross_entropy": "cross-entropy"}[kept]
    assert f" Kept: {name}, since " in result.verdict
    other = "cross_entropy" if kept == "focal" else "focal"
    columns = ["row", "label", "probability", f"probability_{other}"]
    assert list(result.predictions.columns) == columns
    gamma = 2.0 if kept == "focal" else 0.0
    assert result.model[-1].focal_gamma == gamma
    rows = data.iloc[result.predictions["row"]]
    stated = result.model.predict_proba(rows)[:, 0]
    np.testing.assert_allclose(stated, result.predictions["probability"], atol=1e-6)
