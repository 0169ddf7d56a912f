"""A real Spark: on this machine, and as a master with two workers in processes of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.models.spark import Cluster

MISSING = "needs Spark and Java 17: `make spark` installs Spark, and Debian's openjdk-17-jre-headless is a Java"
START_S = 90.0


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def submit() -> str:
    """The spark-submit of ``make spark``, or the one on the PATH."""
    found = Cluster("local[2]", "", "").command
    if not found or shutil.which("java") is None:
        if os.environ.get("REQUIRE_SPARK") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return found[0]


@dataclass
class Workers:
    """A master and two workers.

    Attributes:
        master: its address.
        processes: the workers, each with its executors in a group of its own.
        started: number of workers so far.
    """

    folder: Path
    spark_class: str
    environment: dict[str, str]
    master: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0

    def start(self, name: str, *words: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            command = [self.spark_class, f"org.apache.spark.deploy.{words[0]}", "--host", "127.0.0.1", *words[1:]]
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=self.environment, start_new_session=True
            )
        return process, log

    def add_worker(self) -> None:
        self.started += 1
        name = f"worker-{self.started}"
        sizes = ["--cores", "1", "--memory", "800m", "--webui-port", "0", "--work-dir", str(self.folder / name)]
        process, log = self.start(name, "worker.Worker", *sizes, self.master)
        self.processes.append(process)
        wait_for(lambda: b"Successfully registered with master" in log.read_bytes(), START_S)

    def revive(self) -> None:
        """Have two workers, whichever a test has killed."""
        self.processes = [each for each in self.processes if each.poll() is None]
        while len(self.processes) < 2:
            self.add_worker()

    def cluster(self, submit: str, folder: Path) -> Cluster:
        """These workers, with their files in a folder."""
        address = "--conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1"
        return Cluster(self.master, str(folder), f"{submit} {address} --conf spark.executor.memory=700m")

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """A worker and its executors, without a word."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def two_workers(submit: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    home = Path(submit).parents[1]
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m"}
    found = Workers(tmp_path_factory.mktemp("workers"), str(home / "bin" / "spark-class"), environment)
    master, log = found.start("master", "master.Master", "--port", "0", "--webui-port", "0")
    try:
        wait_for(lambda: re.search(rb"Starting Spark master at (\S+)", log.read_bytes()), START_S)
        address = re.search(rb"Starting Spark master at (\S+)", log.read_bytes())
        found.master = address[1].decode()
        found.revive()
        yield found
    finally:
        for process in (*found.processes, master):
            Workers.kill(process)
