"""Requests that come together are scored together, in a thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from focaltab._errors import first_line
from focaltab.serving._refusal import Refusal
from focaltab.serving._scorer import Reason, Scorer, Scores, Values


@dataclass
class Scored:
    """The answer to one request's rows."""

    scores: Scores
    reasons: list[list[Reason]] | None


@dataclass
class _Job:
    values: Values
    n_reasons: int | None
    answer: asyncio.Future[Scored]


class Batches:
    """Scores what is waiting in one call of the model, while the next rows come in.

    There is one thread: while it scores, requests wait, and all that wait are its next batch. So a
    lone request waits for nobody, and many share the cost of a call. The answers are those of lone
    calls to the last digit: a model that cannot promise that is called for each request.

    Parameters
    ----------
    scorer : Scorer
    max_rows : int
        Of a batch of several requests.
    max_wait : float
        Seconds that a batch waits for requests that have begun to come in.
    max_waiting_rows : int
        More rows than this, those in work included, are refused.
    watch : callable
        Given the number of rows of each batch.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        max_rows: int,
        max_wait: float,
        max_waiting_rows: int,
        watch: Callable[[int], None],
    ) -> None:
        self._scorer = scorer
        self._max_rows = max_rows
        self._max_wait = max_wait
        self._max_waiting_rows = max_waiting_rows
        self._watch = watch
        self._jobs: deque[_Job] = deque()
        self._n_waiting = 0
        self._n_arriving = 0
        self._all_here: asyncio.Event | None = None
        self._draining: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="focaltab-model")

    @contextmanager
    def arriving(self) -> Iterator[Callable[[], None]]:
        """While a request is read a batch waits for it; gives what says that it has been."""
        is_here = False
        self._n_arriving += 1

        def here() -> None:
            nonlocal is_here
            if is_here:
                return
            is_here = True
            self._n_arriving -= 1
            if self._n_arriving == 0 and self._all_here is not None:
                self._all_here.set()

        try:
            yield here
        finally:
            here()

    async def score(self, values: Values, n_reasons: int | None = None) -> Scored:
        """Score rows with whichever others are waiting.

        Raises
        ------
        Refusal
            503 if too many rows are waiting; 422 if the model fails on these rows.
        """
        if self._n_waiting + len(values) > self._max_waiting_rows:
            raise overloaded(f"{self._n_waiting:,} rows are waiting")
        loop = asyncio.get_running_loop()
        job = _Job(values, n_reasons, loop.create_future())
        self._jobs.append(job)
        self._n_waiting += len(values)
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain(loop))
        return await job.answer

    def close(self) -> None:
        """End the thread when its batch is done."""
        self._thread.shutdown()

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._jobs:
            await self._gather()
            batch = self._taken()
            if not batch:
                continue
            self._watch(sum(len(job.values) for job in batch))
            outcomes: list[Scored | BaseException]
            try:
                outcomes = await loop.run_in_executor(self._thread, self._outcomes, batch)
            except BaseException as error:
                # The server ends: nobody may be left waiting.
                outcomes = [error] * len(batch)
            for job, outcome in zip(batch, outcomes, strict=True):
                self._n_waiting -= len(job.values)
                if job.answer.done():  # its caller has gone
                    continue
                if isinstance(outcome, BaseException):
                    job.answer.set_exception(outcome)
                else:
                    job.answer.set_result(outcome)

    async def _gather(self) -> None:
        await asyncio.sleep(0)  # whatever has arrived as well is read first
        if self._scorer.can_merge and self._n_arriving and len(self._jobs) < self._max_rows:
            self._all_here = asyncio.Event()
            try:
                async with asyncio.timeout(self._max_wait):
                    await self._all_here.wait()
            except TimeoutError:
                pass
            finally:
                self._all_here = None

    def _taken(self) -> list[_Job]:
        """Requests for one batch, in order: at least one, however large."""
        batch: list[_Job] = []
        n_rows = 0
        while self._jobs:
            job = self._jobs[0]
            full = n_rows + len(job.values) > self._max_rows
            if batch and (full or not self._scorer.can_merge):
                break
            self._jobs.popleft()
            if job.answer.done():
                self._n_waiting -= len(job.values)
                continue
            batch.append(job)
            n_rows += len(job.values)
        return batch

    def _outcomes(self, batch: list[_Job]) -> list[Scored | BaseException]:
        """Answers, or what failed; in the thread."""
        try:
            every = [row for job in batch for row in job.values]
            scores = self._scorer.score(every)
        except MemoryError:
            return [overloaded("there is no memory left") for _ in batch]
        except Exception as error:
            # Libraries raise types of their own. Of several requests only those fail that do so
            # alone.
            if len(batch) > 1:
                return [outcome for job in batch for outcome in self._outcomes([job])]
            return [_refused(error)]
        outcomes: list[Scored | BaseException] = []
        start = 0
        for job in batch:
            end = start + len(job.values)
            own = Scores(scores.probability[start:end], scores.labels[start:end])
            outcomes.append(self._answered(job, own))
            start = end
        return outcomes

    def _answered(self, job: _Job, scores: Scores) -> Scored | BaseException:
        if job.n_reasons is None:
            return Scored(scores, None)
        try:
            return Scored(scores, self._scorer.reasons(job.values, job.n_reasons))
        except Exception as error:
            return _refused(error)


def overloaded(why: str) -> Refusal:
    """The one refusal that is the server's own fault."""
    return Refusal.of(503, f"Overloaded: {why}. Try again later.", retry_after=1)


def _refused(error: Exception) -> Refusal:
    # Of this request's rows alone: no other is in the message.
    return Refusal.of(422, f"The model refuses the rows: {first_line(error)[:300]}")
