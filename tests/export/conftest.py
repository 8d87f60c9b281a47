"""The rows of these tests, and the comparison that all of them make."""

import numpy as np
import pytest
from export_rows import N_ROWS, awkward, frame, session_of, target


@pytest.fixture
def agrees(record_property):
    """Export a model, run it on rows, and compare with Python.

    The largest difference is in the report of ``pytest --junit-xml``.
    """

    from focaltab.export import onnx_inputs, to_onnx

    def compare(model, X, *, python_X=None, **options):
        session = session_of(to_onnx(model, **options))
        probabilities, labels = session.run(None, onnx_inputs(session, X))
        rows = X if python_X is None else python_X
        expected = np.asarray(model.predict_proba(rows))
        assert probabilities.dtype == np.float32
        assert probabilities.shape == expected.shape
        difference = float(np.abs(probabilities - expected).max())
        record_property("difference", difference)
        assert difference <= 1e-5
        said = np.asarray(model.predict(rows))
        first, second = np.sort(expected, axis=1).T[[-1, -2]]
        # Where two classes are level, or at a threshold, the last digit decides.
        unlike = np.asarray(labels != said) & (first - second > 1e-6)
        assert unlike.sum() <= 1, labels[unlike][:5]

    return compare


@pytest.fixture(scope="session")
def arrays():
    """Training rows, labels by number of classes, and 10,000 rows to predict."""
    X, steps = awkward(2500, 5, 0)
    new, _ = awkward(N_ROWS, 5, 1)
    return X, {k: target(X, steps, k, 2) for k in (2, 4)}, new


@pytest.fixture(scope="session")
def frames():
    """A training frame, its score, and 10,000 rows to predict."""
    X, score = frame(3000, 3)
    new, _ = frame(N_ROWS, 4)
    return X, score, new
