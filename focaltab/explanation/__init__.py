"""Why a model gave a row its probability: Shapley values of any classifier, and reason codes."""

from focaltab.explanation._explain import explain
from focaltab.explanation._explanation import Explanation

__all__ = ["Explanation", "explain"]
