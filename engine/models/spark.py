"""Jobs on Apache Spark, in processes of their own: only Parquet and lines of text pass between them and Marquee."""

from __future__ import annotations

import json
import logging
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from engine.data.arrays import Float32, Int32
from engine.errors import ClusterFailed
from engine.settings import Settings

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
JOB = ROOT / "cluster" / "als_job.py"
LISTS_JOB = ROOT / "cluster" / "lists_job.py"
TABLE_JOB = ROOT / "cluster" / "table_job.py"
OWN = ROOT / ".venv" / "spark"
"""The environment that ``make spark`` installs."""
HOW = "Run `make spark`, which needs Java 17, or name a spark-submit in MARQUEE_SPARK_SUBMIT."
BEAT_S = 1.0
"""Seconds after which a silent job is looked at, so that it can be cancelled."""
END_S = 5.0
"""Seconds in which a job that was told to end has to."""
BRIEF = 2_000_000
"""Ratings up to which compiling takes longer than it saves."""
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}
ROWS_IN_FILE = 4_000_000
TAIL = 4000
_numbers = count(1)


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Attributes:
        master: the master of Spark.
        path: a folder that all of its workers share.
        submit: the command that submits jobs, with options; empty to look for one.
        ratings: a table of ratings outside Marquee; empty without one.
    """

    master: str
    path: str
    submit: str = ""
    ratings: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say; the folder is beside the store unless they name one."""
        beside = f"{settings.database_url.partition('///')[2]}.spark"
        path = settings.spark_path or str(Path(beside).absolute())
        ratings = settings.spark_ratings
        ratings = str(Path(ratings).absolute()) if ratings and "://" not in ratings else ratings
        return cls(settings.spark_master, path, settings.spark_submit, ratings)

    @cached_property
    def command(self) -> list[str]:
        """The words of the command; none if there is no spark-submit."""
        if self.submit:
            return shlex.split(self.submit)
        found = next(OWN.glob("lib/python*/site-packages/pyspark/bin/spark-submit"), None) or shutil.which(
            "spark-submit"
        )
        return [str(found)] if found else []

    @property
    def missing(self) -> str:
        """Why no job can run, and what to do, as a sentence; empty if one can."""
        if not self.command or shutil.which(self.command[0]) is None:
            return f"Apache Spark needs pyspark, which is not installed. {HOW}"
        is_spark = Path(self.command[0]).name == "spark-submit"
        if is_spark and shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
            return "Apache Spark needs Java 17, which is not installed, or not on the PATH."
        return ""

    @property
    def is_local(self) -> bool:
        """Whether all of Spark runs on this machine, in the process of the job."""
        return self.master.startswith("local")

    def words(self, *, brief: bool) -> list[str]:
        """The command up to the job; its own options count more. A brief job does not compile its queries."""
        conf = {"spark.ui.enabled": "false"} | (INTERPRETED if brief else {})
        if self.is_local:
            conf |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        added = [f"{name}={value}" for name, value in conf.items() if name not in self.submit]
        return [*self.command, "--master", self.master, *(word for one in added for word in ("--conf", one))]

    def environment(self, scratch: str) -> dict[str, str]:
        """The variables of the process of a job: all but Marquee's own, among which is a key."""
        found = {name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")}
        found["SPARK_LOCAL_DIRS"] = scratch
        if self.is_local:
            found["SPARK_LOCAL_IP"] = "127.0.0.1"
        home = Path(self.command[0]).parents[1]
        if home.name == "pyspark":  # a package of Python: the job runs in its environment
            found["SPARK_HOME"] = str(home)
            found["PYSPARK_PYTHON"] = str(home.parents[3] / "bin" / "python")
        return found


_current: Cluster | None = None


def use(cluster: Cluster | None) -> None:
    """Run jobs there; None takes the cluster from the environment again."""
    global _current  # one cluster for the process, as one store
    _current = cluster


def current() -> Cluster:
    """The cluster of this process."""
    return _current or Cluster.of(Settings())


class Job:
    """One job: a folder for ratings and results, and a process."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._files, where = _file_system(cluster.path)
        self._mine = f"job-{socket.gethostname()}-{os.getpid()}-{next(_numbers)}"
        self._ratings = 0
        self._folder = f"{where.rstrip('/')}/{self._mine}"

    def write_ratings(self, users: Int32, movies: Int32, ratings: Float32) -> None:
        """Write the table of ratings."""
        self._ratings = len(ratings)
        self.write("ratings", pa.table({"user": users, "movie": movies, "rating": ratings}))

    def write(self, name: str, table: pa.Table) -> None:
        """Write a table into the folder, in files that several workers can read at once."""
        self._files.create_dir(self._folder, recursive=True)
        ds.write_dataset(
            table,
            f"{self._folder}/{name}",
            filesystem=self._files,
            format="parquet",
            max_rows_per_file=ROWS_IN_FILE,
            max_rows_per_group=min(ROWS_IN_FILE, 1_000_000),
            existing_data_behavior="overwrite_or_ignore",
        )

    @property
    def path(self) -> str:
        """The folder, as Spark names it."""
        return f"{self.cluster.path.rstrip('/')}/{self._mine}"

    def run(self, job: Path = JOB, **options: float | str) -> Generator[dict[str, Any], None, None]:
        """Run a job; yields what it says, and an empty dict in each second in which it says nothing.

        Closing the generator ends the process.

        Raises:
            ClusterFailed: it ended without a result; the message has the reason.
        """
        words = [
            *self.cluster.words(brief=0 < self._ratings < BRIEF),
            str(job),
            *(["--ratings", f"{self.path}/ratings"] if self._ratings else []),
            "--out",
            f"{self.path}/out",
        ]
        words += ["--owner", str(os.getpid())]
        words += [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        scratch = tempfile.TemporaryDirectory(prefix="marquee-spark-", ignore_cleanup_errors=True)
        with scratch as folder, Path(folder, "log").open("w+b") as errors:
            yield from self._run(words, folder, errors)

    def _run(self, words: list[str], scratch: str, errors: IO[bytes]) -> Generator[dict[str, Any], None, None]:
        environment = self.cluster.environment(scratch)
        try:
            process = subprocess.Popen(  # noqa: S603  # the command is a setting of the operator
                words, stdout=subprocess.PIPE, stderr=errors, env=environment, start_new_session=True
            )
        except OSError as error:
            raise ClusterFailed(f"The job on Spark could not be started: {error.strerror}. {HOW}") from error
        failed = ""
        try:
            for said in _lines(process):
                if said.get("done"):
                    return
                failed = str(said.get("failed", "")) or failed
                yield said
            status = _status(process)
        finally:
            end(process)
        told = _tail(errors)
        log.error("the job on Spark ended with status %d; the end of its log: %s", status, told)
        raise ClusterFailed(f"The job on Spark failed: {failed or _why(status, told)}".rstrip(".") + ".")

    def read(self, name: str) -> pa.Table:
        """A table of the results."""
        return ds.dataset(f"{self._folder}/out/{name}".replace("/./", "/"), filesystem=self._files).to_table()

    def read_side(self, epoch: int, side: str, n: int, part: str = ".") -> tuple[Float32, Float32]:
        """float32[n] and float32[n, factors]: biases and factors of users or movies; zeros without ratings.

        Args:
            epoch: the epoch that learned them.
            side: ``users`` or ``movies``.
            n: number of rows.
            part: folder of the results.
        """
        table = self.read(f"{part}/epoch={epoch}/{side}")
        ids = table["id"].to_numpy() if "id" in table.column_names else np.empty(0, np.int64)
        bias, lists = np.zeros(n, np.float32), table["factors"].combine_chunks()
        flat = lists.flatten().to_numpy(zero_copy_only=False)
        width = len(flat) // len(ids) if len(ids) else 0
        factors = np.zeros((n, width), np.float32)
        factors[ids] = flat.reshape(len(ids), width)
        if "bias" in table.column_names:
            bias[ids] = table["bias"].to_numpy()
        return bias, factors

    def remove(self) -> None:
        """Delete the folder."""
        _delete(self._files, self._folder)


@contextmanager
def job_on(cluster: Cluster) -> Iterator[Job]:
    """A job whose folder is deleted at the end, and those of processes of this machine that ended before they could.

    Raises:
        ClusterFailed: no job can run here, or its folder can't be used.
    """
    if cluster.missing:
        raise ClusterFailed(cluster.missing)
    try:
        job = Job(cluster)
        _sweep(cluster)
    except (OSError, pa.ArrowException) as error:
        raise ClusterFailed(f"The folder {cluster.path} of the jobs on Spark can't be used: {error}") from error
    try:
        yield job
    finally:
        job.remove()


def remove(path: str) -> None:
    """Delete a folder of results, of any file system; one that is gone already is no fault.

    Raises:
        ClusterFailed: it can't be deleted.
    """
    try:
        _delete(*_file_system(path))
    except (OSError, pa.ArrowException) as error:
        raise ClusterFailed(f"The folder {path} can't be deleted: {error}") from error


def _delete(files: fs.FileSystem, folder: str) -> None:
    if files.get_file_info(folder).type != fs.FileType.NotFound:
        files.delete_dir(folder)


def _file_system(path: str) -> tuple[fs.FileSystem, str]:
    if "://" not in path:
        return fs.LocalFileSystem(), str(Path(path).absolute())
    found, where = fs.FileSystem.from_uri(path.replace("s3a://", "s3://", 1))
    return found, where


def _sweep(cluster: Cluster) -> None:
    """Delete local folders of jobs whose Marquee is gone: they hold ratings."""
    if "://" in cluster.path:
        return
    for folder in Path(cluster.path).glob(f"job-{socket.gethostname()}-*-*"):
        owner = int(folder.name.split("-")[-2])
        if not _lives(owner):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """What the process says, line by line; an empty dict after a second of silence. Other lines are left out."""
    assert process.stdout is not None
    output, left = process.stdout.fileno(), b""
    while True:
        if not select.select([output], [], [], BEAT_S)[0]:
            yield {}
            continue
        part = os.read(output, 65536)
        if not part:
            return
        *lines, left = (left + part).split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                yield json.loads(line)


def _status(process: subprocess.Popen[bytes]) -> int:
    """The status of a process that has said its last word."""
    try:
        return process.wait(END_S)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL  # it hangs, and is killed next


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(END_S)
        except (ProcessLookupError, PermissionError):
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _tail(errors: IO[bytes]) -> str:
    errors.seek(max(errors.seek(0, os.SEEK_END) - TAIL, 0))
    return errors.read().decode("utf-8", "replace")


def _why(status: int, told: str) -> str:
    """The reason of an end without words."""
    if status < 0:
        return f"its driver was killed by signal {signal.Signals(-status).name}"
    causes = [line for line in told.splitlines() if "rror" in line or "xception" in line]
    return f"{causes[-1].strip()[:300]}" if causes else f"it ended with status {status} and no reason"
