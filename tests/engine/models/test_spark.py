"""Jobs on Spark end with a result or a reason, and leave neither processes nor ratings behind."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.data.ratings import Interactions
from engine.errors import ClusterFailed, InvalidHyperparameter, InvalidInput
from engine.models import spark
from engine.models.rankers import check_rankable
from engine.models.registry import check_trainable
from engine.models.spark import Cluster, job_on
from engine.models.spark_als import SparkALS, SparkALSConfig
from engine.settings import Settings

NONE = "/nowhere/spark-submit"


def cluster(folder: Path, code: str) -> Cluster:
    """Jobs are Python code there, which gets the job's words in ``sys.argv``."""
    script = folder / "submit.py"
    script.write_text(f"import json, os, sys, time\n{code}\n")
    return Cluster("local[1]", str(folder / "jobs"), shlex.join([sys.executable, str(script)]))


def says(**said: object) -> str:
    return f"print({json.dumps(json.dumps(said))}, flush=True)"


def fit(where: Cluster, data: Interactions) -> list[float | str]:
    spark.use(where)
    try:
        return list(SparkALS(SparkALSConfig(factors=2)).epochs(data))
    finally:
        spark.use(None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (says(failed="the table of ratings is empty"), "the table of ratings is empty."),
        ("os.kill(os.getpid(), 9)", "its driver was killed by signal SIGKILL."),
        ("sys.exit(3)", "it ended with status 3 and no reason."),
        ("raise OSError('no route to the master')", "OSError: no route to the master."),
        (f"{says(step='Starting')}\nprint('no JSON')\nsys.exit(1)", "it ended with status 1 and no reason."),
    ],
)
def test_a_job_without_a_result_says_why(small: Interactions, tmp_path: Path, code: str, reason: str) -> None:
    with pytest.raises(ClusterFailed) as failed:
        fit(cluster(tmp_path, code), small)
    assert str(failed.value) == f"The job on Spark failed: {reason}"
    assert not list((tmp_path / "jobs").iterdir())


def test_cancelling_ends_the_job_and_all_that_it_started(small: Interactions, tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    child = f"[{sys.executable!r}, '-c', 'import time; time.sleep(600)']"
    code = f"import subprocess\nchild = subprocess.Popen({child})\n"
    code += (
        f"open({str(marks)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n{says(step='Waiting')}\ntime.sleep(600)"
    )
    spark.use(cluster(tmp_path, code))
    try:
        going = SparkALS(SparkALSConfig(factors=2)).epochs(small)
        assert next(item for item in going if item == "Waiting")
        assert next(going) == "Waiting", "a silent job is heard of, so that it can be cancelled"
        going.close()
    finally:
        spark.use(None)
    ended = [int(number) for number in marks.read_text().split()]
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(one) and psutil.Process(one).status() != "zombie" for one in ended):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list((tmp_path / "jobs").iterdir())


def test_folders_of_a_marquee_that_is_gone_are_deleted_and_others_kept(tmp_path: Path) -> None:
    gone = tmp_path / f"job-{socket.gethostname()}-{2**22 + 1}-1"
    others = [tmp_path / f"job-{socket.gethostname()}-{os.getpid()}-0", tmp_path / "job-elsewhere-1-1"]
    for folder in (gone, *others):
        folder.mkdir()
    with job_on(Cluster("local[1]", str(tmp_path), sys.executable)) as job:
        job.write_ratings(np.zeros(1, np.int32), np.zeros(1, np.int32), np.ones(1, np.float32))
        assert len(list(tmp_path.iterdir())) == 3
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_without_spark_nothing_starts_and_the_reason_says_how_to_get_it(small: Interactions, tmp_path: Path) -> None:
    where = Cluster("local[*]", str(tmp_path), NONE)
    with pytest.raises(ClusterFailed, match=r"needs pyspark, which is not installed\. Run `make spark`"):
        fit(where, small)
    spark.use(where)
    try:
        with pytest.raises(InvalidInput, match="Run `make spark`") as refused:
            check_trainable("als")
        with pytest.raises(InvalidHyperparameter, match="Run `make spark`") as also:
            check_rankable("spark_als")
    finally:
        spark.use(None)
    assert (refused.value.field, also.value.field) == ("model", "ranker.method")
    check_trainable("svd")
    check_rankable("auto")


def test_without_java_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = tmp_path / "spark-submit"
    submit.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "needs Java 17" in Cluster("local[2]", "", str(submit)).missing
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    assert not Cluster("local[2]", "", str(submit)).missing


def test_options_of_the_command_count_more_than_ours() -> None:
    where = Cluster("spark://host:7077", "/shared", "/opt/spark/bin/spark-submit --conf spark.ui.enabled=true")
    assert where.words(brief=False) == [*shlex.split(where.submit), "--master", "spark://host:7077"]
    assert "spark.sql.codegen.wholeStage=false" in where.words(brief=True)
    assert "SPARK_LOCAL_IP" not in set(where.environment("/tmp")) - set(os.environ)
    local = Cluster("local[2]", "/shared", "/venv/lib/python3.11/site-packages/pyspark/bin/spark-submit")
    assert {"spark.driver.host=127.0.0.1", "spark.ui.enabled=false"} <= set(local.words(brief=False))
    found = local.environment("/scratch")
    assert found["SPARK_HOME"] == "/venv/lib/python3.11/site-packages/pyspark"
    assert found["PYSPARK_PYTHON"] == "/venv/bin/python"
    assert not [name for name in found if name.startswith("MARQUEE_")]
    assert (found["SPARK_LOCAL_IP"], found["SPARK_LOCAL_DIRS"]) == ("127.0.0.1", "/scratch")


def test_jobs_have_their_folder_beside_the_store() -> None:
    found = Cluster.of(Settings(database_url="sqlite:////srv/marquee.db"))
    assert (found.master, found.path) == ("local[*]", "/srv/marquee.db.spark")
    assert Cluster.of(Settings(spark_path="hdfs://host/marquee")).path == "hdfs://host/marquee"
