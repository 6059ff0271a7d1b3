"""What a prediction has learnt, and how well it has predicted.

Only a plan that predicts imports this: river brings scipy along.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from river import linear_model, metrics, optim, utils

from schemas.row_forms.comparing import BIAS

SCORES_MAX = 1 << 12
"""So many scores are remembered until something is learnt: accounts are often alike in numbers."""
BUCKETS = 100
"""Scores are judged by hundredths."""


class Score(NamedTuple):
    """How likely, and what each feature adds to the log of the odds."""

    value: float
    parts: dict[str, float]


class Learner:
    """Logistic regression by steps of stochastic gradient descent; all weights begin at 0.

    >>> learner = Learner(["active_days", "active_users"], 0.1)
    >>> learner.score([1, 1]).value
    0.5
    >>> learner.learn([1, 1], True)
    >>> learner.score([1, 1]).parts
    {'bias': 0.05, 'active_days': 0.0125, 'active_users': 0.0125}
    """

    def __init__(self, features: Sequence[str], rate: float) -> None:
        self._features = features
        self._model = linear_model.LogisticRegression(optim.SGD(rate), intercept_lr=rate)
        self._parts = (BIAS, *features)
        self._weights: Sequence[float] | None = None
        """Those of the model; None: not read from it since something was learnt."""
        self._scores: dict[tuple[int, ...], Score] = {}
        """By numbers, likewise."""
        self.load(0.0, [0.0] * len(features))

    def _x(self, numbers: Iterable[int]) -> dict[str, float]:
        return {name: n / (1 + n) for name, n in zip(self._features, numbers, strict=True)}

    def score(self, numbers: Iterable[int]) -> Score:
        """`numbers`: of the features, in their order."""
        place = tuple(numbers)
        score = self._scores.get(place)
        if score is None:
            if len(self._scores) >= SCORES_MAX:
                self._scores.clear()
            score = self._scores[place] = self._score(place)
        return score

    def _score(self, numbers: Iterable[int]) -> Score:
        if self._weights is None:
            self._weights = self.learnt[1]
        bias = self._model.intercept
        added = [weight * (n / (1 + n)) for weight, n in zip(self._weights, numbers, strict=True)]
        value = self._model.loss.mean_func(sum(added) + bias)
        return Score(value, dict(zip(self._parts, (bias, *added), strict=True)))

    def learn(self, numbers: Iterable[int], label: bool) -> None:
        self._model.learn_one(self._x(numbers), label)
        self._forget_scores()

    def _forget_scores(self) -> None:
        self._weights = None
        self._scores.clear()

    @property
    def learnt(self) -> tuple[float, list[float]]:
        """The bias, and the weights in the order of the features."""
        weights = self._model.weights
        return self._model.intercept, [weights[name] for name in self._features]

    def load(self, bias: float, weights: Iterable[float]) -> None:
        """Takes back what `learnt` gave."""
        self._model.intercept = bias
        self._model._weights = utils.VectorDict(dict(zip(self._features, weights, strict=True)))
        self._forget_scores()


class Judged(NamedTuple):
    """A final score whose outcome is known."""

    account: str
    score: float
    label: bool
    by_rule: bool


class Quality:
    """How well final scores have predicted what came: counts and sums alone, to be kept."""

    def __init__(self) -> None:
        self._counts = [[0] * BUCKETS, [0] * BUCKETS]
        """Of what did not come, and of what came, by score."""
        self._expected = 0.0
        """The sum of the scores."""
        self._by_score = self._by_rule = 0
        self._measures: Mapping[str, float] | None = None

    def judge(self, judged: Sequence[Judged]) -> None:
        """Takes in the snapshots of one day, in the order of account ids.

        The rule names so many of them; as many with the highest scores are compared with those.
        """
        for each in judged:
            self._counts[each.label][min(int(each.score * BUCKETS), BUCKETS - 1)] += 1
            self._expected += each.score
        named = [each for each in judged if each.by_rule]
        highest = sorted(judged, key=lambda each: -each.score)[: len(named)]
        self._by_rule += sum(each.label for each in named)
        self._by_score += sum(each.label for each in highest)
        self._measures = None

    @property
    def judged(self) -> int:
        """How many snapshots there were."""
        return sum(map(sum, self._counts))

    @property
    def measures(self) -> Mapping[str, float]:
        """What is known so far: see docs/operations.md. Found when somebody asks for it."""
        if self._measures is None:
            self._measures = self._found()
        return self._measures

    def _found(self) -> Mapping[str, float]:
        lost, came = map(sum, self._counts)
        found: dict[str, float] = {}
        if lost and came:
            found["auc"] = self._auc()
        if self._expected:
            found["calibration"] = came / self._expected
        if self._by_rule:
            found["lift"] = self._by_score / self._by_rule
        return found

    def _auc(self) -> float:
        """Scores of the same hundredth count as equal."""
        auc: Any = metrics.ROCAUC(n_thresholds=BUCKETS + 1)  # type: ignore[no-untyped-call]
        for label, counts in enumerate(self._counts):
            for bucket, n in enumerate(counts):
                if n:
                    auc.update(bool(label), (bucket + 0.5) / BUCKETS, n)
        return float(auc.get())

    def packed(self) -> Any:
        return self._counts, self._expected, self._by_score, self._by_rule

    def load(self, content: Any) -> None:
        self._counts, self._expected, self._by_score, self._by_rule = content
        self._measures = None
