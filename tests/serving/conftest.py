"""Saved models to serve, each made once."""

import pytest

import focaltab
from focaltab.workflow import TrainConfig, save_model, train


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    made = {}

    from served_models import Saved, fitted, table

    def get(name):
        if name not in made:
            path = tmp_path_factory.mktemp("models") / "model"
            if name == "trained":
                X, y = table()
                config = TrainConfig(target="label", n_estimators=20, positive="fraud")
                result = train(X.assign(label=y), config)
                save_model(result, path)
            else:
                model, X, y = fitted(name)
                # A reference knows the shares of two classes alone.
                focaltab.save(model, path, X=X, y=y if len(set(y)) == 2 else None)
            made[name] = Saved(path, X)
        return made[name]

    return get
