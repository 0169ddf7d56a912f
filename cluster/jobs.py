"""What all jobs on Apache Spark share: lines of output, an end with their owner, and a reason where they fail."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

LOOK_S = 0.5
"""Seconds between two looks at the progress, and at whether the owner lives."""
MAX_REASON = 300


def tell(**said: Any) -> None:
    """Write a line of the output."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def watch_owner(owner: int) -> None:
    """End this process once its owner has gone: nobody would read the results."""
    while True:
        try:
            os.kill(owner, 0)
        except ProcessLookupError:
            os._exit(3)
        except PermissionError:  # it lives, and is another user's
            pass
        time.sleep(LOOK_S)


def reason(error: BaseException) -> str:
    """The first line of the innermost cause."""
    cause = getattr(error, "java_exception", None)
    if cause is None:
        return str(error).strip().partition("\n")[0][:MAX_REASON] or type(error).__name__
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.toString()).strip().partition("\n")[0][:MAX_REASON]


def run(owner: int, work: Callable[[SparkSession], object]) -> int:
    """Do the work of a job; 1 if it failed, with the reason as the last line of the output.

    Args:
        owner: the number of the process with which the job ends; 0 for none.
        work: the work.
    """
    if owner:
        threading.Thread(target=watch_owner, args=(owner,), daemon=True).start()
    try:
        spark = SparkSession.builder.appName("Marquee").getOrCreate()
        work(spark)
        spark.stop()
    except Exception as error:  # noqa: BLE001  # the outermost handler, which passes the reason on
        tell(failed=reason(error))
        return 1
    tell(done=True)
    return 0
