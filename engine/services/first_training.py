"""The training that nobody asks for: the first on the ratings that are there."""

import logging

from engine.errors import MarqueeError, StoreLocked
from engine.services import Services
from engine.training.promotion import ActivationPolicy
from store.patience import outlast

log = logging.getLogger(__name__)


def train_first(services: Services, activate: ActivationPolicy = "if_better") -> None:
    """Start a training, unless there are no ratings or a run is in progress; where it does not start, the log says why.

    Args:
        services: of the store.
        activate: when to activate the version.
    """
    if services.training.current() is not None or not services.library.counts().ratings:
        return
    try:
        outlast(lambda: services.training.train_model(activate=activate, actor="marquee"), StoreLocked)
    except MarqueeError as error:
        log.warning("the first training did not start: %s", error)
