"""Average precision of the network on real imbalanced tables, against two others.

Reads Parquet files with a 0/1 column ``target`` from ``BENCHMARK_SUITE`` (by default
``../shared/suite``). Every model sees the same folds and has the same hidden layers and at most
the same epochs; the others get the imputation, scaling and one-hot encoding that ours does inside.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from scipy.stats import rankdata
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping
from torch import nn

from benchmarks._network import Network
from benchmarks._pairs import environment
from focaltab import FocalMLPClassifier

SUITE = Path(os.environ.get("BENCHMARK_SUITE", "../shared/suite"))
HIDDEN, N_EPOCHS, MOST_ROWS, N_FOLDS = (256, 128), 50, 20_000, 3


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``; `n_pairs` is of no use here."""
    tables = sorted(SUITE.glob("*.parquet"))
    if not tables:
        return f"## The network on real tables\n\nNo tables in {SUITE.name}: not run.\n"
    by_table = {path.stem: _judge(path) for path in tables}
    names = list(MODELS)
    precision = np.array([[scores[n][0] for n in names] for scores in by_table.values()])
    loss = np.array([[scores[n][1] for n in names] for scores in by_table.values()])
    ranks = [rankdata(-precision, axis=1).mean(axis=0), rankdata(loss, axis=1).mean(axis=0)]
    lines = [
        "| | mean rank, average precision | mean rank, log loss |",
        "| --- | ---: | ---: |",
        *(f"| {n} | {a:.2f} | {b:.2f} |" for n, a, b in zip(names, *ranks, strict=True)),
        "",
        "| average precision | " + " | ".join(names) + " |",
        "| --- |" + " ---: |" * len(names),
        *(
            f"| {table} | " + " | ".join(f"{value:.4f}" for value in row) + " |"
            for table, row in zip(by_table, precision, strict=True)
        ),
    ]
    return f"""## The network on real tables

{len(tables)} imbalanced tables of at most {MOST_ROWS:,} rows (a stratified sample of the larger
ones), {N_FOLDS} stratified folds, hidden layers {HIDDEN}, at most {N_EPOCHS} epochs with early
stopping, all else at each library's defaults. Rank 1 is best of {len(names)}.

The network's defaults (embedding, dropout, weight decay) were chosen on about ten of these very
tables, in its favour; the others' defaults were not.

{chr(10).join(lines)}

{environment("torch", "scikit-learn", "skorch", "imbalanced-learn")}
"""


def _judge(path: Path) -> dict[str, tuple[float, float]]:
    """Mean average precision and log loss of each model over the folds."""
    table = pd.read_parquet(path)
    if len(table) > MOST_ROWS:
        table = table.groupby("target", group_keys=False).sample(
            frac=MOST_ROWS / len(table), random_state=0
        )
    X, y = table.drop(columns="target").reset_index(drop=True), table["target"].to_numpy(np.int64)
    text = X.select_dtypes(exclude="number").columns
    X[text] = X[text].astype(str).where(X[text].notna()).astype("category")
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in MODELS}
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    for k, (train, test) in enumerate(folds.split(X, y)):
        for name, make in MODELS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(k)
                model = make(k).fit(X.iloc[train], y[train])
                p = model.predict_proba(X.iloc[test])[:, 1].astype(float)
            scores[name].append((average_precision_score(y[test], p), log_loss(y[test], p)))
    means = {name: tuple(np.mean(values, axis=0)) for name, values in scores.items()}
    print(path.stem, {name: round(float(m[0]), 4) for name, m in means.items()}, flush=True)
    return means


def _encode() -> Any:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )


def _focal(seed: int) -> Any:
    return FocalMLPClassifier(HIDDEN, max_iter=N_EPOCHS, random_state=seed)


def _oversampled(seed: int) -> Any:
    return make_resampling_pipeline(
        _encode(),
        RandomOverSampler(random_state=seed),
        MLPClassifier(HIDDEN, max_iter=N_EPOCHS, early_stopping=True, random_state=seed),
    )


def _cross_entropy(seed: int) -> Any:
    return make_pipeline(
        _encode(),
        FunctionTransformer(lambda X: np.asarray(X, dtype=np.float32)),
        NeuralNetClassifier(
            Network,
            module__hidden=HIDDEN,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=0.001,
            max_epochs=N_EPOCHS,
            callbacks=[EarlyStopping(patience=10, load_best=True)],
            iterator_train__shuffle=True,
            verbose=0,
        ),
    )


MODELS = {
    "FocalMLPClassifier": _focal,
    "MLPClassifier, oversampled": _oversampled,
    "skorch, cross-entropy": _cross_entropy,
}
