"""Real instances of live figures, for the examples in the documentation and for the fakes of tests."""

import numpy as np

from engine.evaluation.intervals import MetricValue
from engine.evaluation.live import LivePoint, compare_live
from engine.services.live import LiveReport, LiveVersion
from engine.services.records import ExamRecord
from sidecar.docs import instances

ERRORS = np.random.default_rng(0).normal(0, 0.85, (2, 900))
ERRORS[1] = 0.6 * ERRORS[0] + 0.02
LIVE = LiveReport(
    active_version=3,
    days=None,
    exams=900,
    dropped=0,
    shadows=(4,),
    too_large=(),
    versions=(
        LiveVersion(
            version=3,
            kind="svd",
            role="serves",
            exams=900,
            first_at=1795400000,
            last_at=1795443846,
            metrics={
                "rmse": MetricValue(0.861, 0.712, 1.019),
                "mae": MetricValue(0.67, 0.61, 0.74),
                "interval_coverage": MetricValue(0.91, 0.87, 0.94),
                "hit_rate": MetricValue(0.12, 0.08, 0.17),
                "shown_rate": MetricValue(0.21, 0.15, 0.28),
            },
            offline={"rmse": instances.METRICS["rmse"]},
            means={"rmse": 0.912, "mae": 0.71},
            dipped=False,
            curve=(LivePoint(900, 1795443846, 0.861, 0.712, 1.019, 0.912, 0.91),),
        ),
    ),
    comparisons=(compare_live(4, 3, np.zeros(900), ERRORS[1], ERRORS[0], (0.5, 5.0), 0.025),),
)
EXAM = ExamRecord(
    exam_id=900,
    at=1795443846,
    user_id=instances.USER,
    movie_id=instances.SHAWSHANK.movie_id,
    title=instances.SHAWSHANK.title,
    rating=5.0,
    predicted=4.4,
    low=3.4,
    high=5.0,
    rank=3,
    served=True,
    means=4.1,
)
