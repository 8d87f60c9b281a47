"""Finished candidates of a search in a file, so that one that was killed goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from focaltab.model_selection._search_evaluation import Candidate

_STUDY = "focaltab"
_FIRST_BYTES = b'{"op_code"'


class Journal:
    """Results by a candidate's name, in Optuna's journal format or, without a path, nowhere.

    Only finished candidates are written, each by one line: what was under way when a process was
    killed leaves no trace and is evaluated anew.
    """

    def __init__(self, study: Any = None) -> None:
        self._study = study
        self._results: dict[str, dict[str, Any]] = {}
        if study is not None:
            for trial in study.get_trials(deepcopy=False):
                self._results[trial.user_attrs["candidate"]] = trial.user_attrs["result"]

    def recall(self, name: str, params: Mapping[str, Any]) -> Candidate | None:
        """The candidate as it ended before, if it did."""
        result = self._results.get(name)
        return None if result is None else Candidate(dict(params), **result)

    def add(self, name: str, candidate: Candidate, sampled: Mapping[str, Any], space: Any) -> None:
        """Write down how a candidate ended."""
        if self._study is None:
            return
        from optuna.trial import TrialState, create_trial

        state = {
            "complete": TrialState.COMPLETE,
            "pruned": TrialState.PRUNED,
            "failed": TrialState.FAIL,
        }[candidate.state]
        self._study.add_trial(
            create_trial(
                state=state,
                value=candidate.mean if candidate.state == "complete" else None,
                params=dict(sampled),
                distributions={key: space[key] for key in sampled},
                user_attrs={"candidate": name, "result": candidate.result()},
            )
        )


@contextmanager
def opened_journal(path: Any, fingerprint: str) -> Iterator[Journal]:
    """The journal at a path, made if there is none; of one process at a time.

    Raises
    ------
    ValueError
        For a file that is no journal, that of another search, or one in use.
    """
    if path is None:
        yield Journal()
        return
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file = Path(path)
    if not file.absolute().parent.is_dir():
        raise ValueError(f"storage: there is no folder {file.absolute().parent}.")
    with _alone(file), quiet_optuna():
        _drop_torn_line(file)
        backend = JournalFileBackend(str(file), lock_obj=_Unlocked())  # type: ignore[arg-type]
        try:
            storage = JournalStorage(backend)
            study = optuna.create_study(
                study_name=_STUDY, storage=storage, direction="maximize", load_if_exists=True
            )
        except (ValueError, KeyError, TypeError, AssertionError):
            raise ValueError(
                f"storage: {file} is no journal of a search: choose another."
            ) from None
        found = study.user_attrs.get("fingerprint")
        if found is None and not study.get_trials(deepcopy=False):
            study.set_user_attr("fingerprint", fingerprint)
        elif found != fingerprint:
            raise ValueError(
                f"storage: {file} holds another search: its data, folds, distributions, scoring, "
                "estimator, random_state or n_jobs differ. Choose another file, or remove this one."
            )
        yield Journal(study)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's tale of studies off stderr, which is for a progress bar that was asked for."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


class _Unlocked:
    """Optuna's lock would outlive a killed process by half a minute; ours is the system's."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: two searches in one file are the user's to avoid
        yield
        return
    with open(file, "ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"storage: another search is using {file}.") from None
        yield


def _drop_torn_line(file: Path) -> None:
    """Cut off a line that a killed process began."""
    if not file.exists():
        return
    content = file.read_bytes()
    # Another's file, given by mistake, is not ours to cut.
    if content.startswith(_FIRST_BYTES) and not content.endswith(b"\n"):
        with open(file, "rb+") as handle:
            handle.truncate(content.rfind(b"\n") + 1)
            handle.flush()
            os.fsync(handle.fileno())
