"""What a study tries: the search space, and how Optuna draws from it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from engine.evaluation.metrics import METRICS
from engine.models.base import ModelConfig
from engine.models.list_settings import DEFAULT_RANKING, ranking_space
from engine.models.registry import SearchRange, entry, search_space
from engine.training.tuning import Goal

STARTED = 4  # trials that are never pruned
STARTUP = 6  # random trials before the estimator learns from them


def space_of(goal: Goal, kind: str) -> list[SearchRange]:
    """What is searched for a goal: the model's hyperparameters, or the settings of lists.

    Raises:
        InvalidInput: there is no such model.
    """
    found = search_space(kind)
    return found if goal == "rmse" else ranking_space()


def asked_of(goal: Goal, kind: str) -> ModelConfig:
    """The defaults of what is searched, as the file has them; some may be ``auto``.

    Raises:
        InvalidInput: there is no such model.
    """
    return entry(kind).config() if goal == "rmse" else DEFAULT_RANKING


def direction(goal: Goal) -> Literal["minimize", "maximize"]:
    """The direction of a goal in Optuna."""
    return "maximize" if METRICS[goal].sign > 0 else "minimize"


def distributions(space: Sequence[SearchRange], defaults: ModelConfig) -> dict[str, BaseDistribution]:
    """Optuna's search space, widened to include the defaults, which are the first trial.

    Args:
        space: the ranges.
        defaults: with numbers in place of ``auto``.
    """
    found: dict[str, BaseDistribution] = {}
    for one in space:
        value = getattr(defaults, one.name)
        if one.choices:
            names = dict.fromkeys([spell(choice) for choice in (*one.choices, value)])
            found[one.name] = CategoricalDistribution(list(names))
            continue
        low, high = min(one.low, value), max(one.high, value)
        if one.whole:
            found[one.name] = IntDistribution(int(low), int(high), log=one.log)
        else:
            found[one.name] = FloatDistribution(low, high, log=one.log and low > 0)
    return found


def spell(value: Any) -> Any:
    """A value as Optuna stores it: lists become text."""
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value


def read_trial(asked: ModelConfig, space: Sequence[SearchRange], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that Optuna drew, with lists restored; ``asked``: the defaults of what is searched."""
    choices = {one.name: {spell(choice): choice for choice in one.choices} for one in space if one.choices}
    for name, known in choices.items():
        known.setdefault(spell(getattr(asked, name)), getattr(asked, name))
    return {name: choices[name].get(value, value) if name in choices else value for name, value in drawn.items()}


def first_trial(defaults: ModelConfig, space: Sequence[SearchRange]) -> dict[str, Any]:
    """The defaults, as Optuna stores them; with numbers in place of ``auto``."""
    return {one.name: spell(getattr(defaults, one.name)) for one in space}


def sampler(seed: int, begun: int) -> optuna.samplers.BaseSampler:
    """The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011).

    Its only state is the trials; ``begun``, their number so far, makes a resumed study draw new numbers.
    """
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=(seed * 1_000_003 + begun) % 2**32)


def pruner() -> optuna.pruners.BasePruner:
    """Prunes a trial that is worse than the median of the others at the same step."""
    return optuna.pruners.MedianPruner(n_startup_trials=STARTED)


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of the differences between trials that each hyperparameter explains; empty below four finished trials.

    Functional analysis of variance of a random forest (Hutter, Hoos and Leyton-Brown 2014); the shares sum to 1.
    """
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state == optuna.trial.TrialState.COMPLETE]
    if len(finished) < STARTED or len({trial.value for trial in finished}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(part) for name, part in found.items()}
