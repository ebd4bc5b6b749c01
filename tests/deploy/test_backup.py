"""A backup is taken while a service works, and put back, by deploy/backup.sh and what the documents say."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.manifests import ROOT, VERSIONS, validate
from tests.service import Service
from trainer_client import SelectorClient, Task

RUN = "run"


def back_up(folder: Path, file: Path) -> str:
    """Do it; what it complains of."""
    with file.open("wb") as output:
        command = ["sh", str(ROOT / "deploy/backup.sh"), str(folder)]
        ended = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 0 or "try again" in ended.stderr
    return ended.stderr


def put_back(file: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["tar", "-C", str(folder), "-xf", str(file)], check=True)
    return folder


def evidence(client: SelectorClient) -> tuple[list[Any], list[Any]]:
    """The whole log, and all posteriors."""
    return list(client.events()), [row.model_dump() for row in client.posteriors()]


def test_a_backup_that_is_put_back_has_the_same_evidence(tmp_path: Path) -> None:
    enough, steps = threading.Event(), 0

    def train(client: SelectorClient) -> None:
        nonlocal steps
        while not enough.is_set():
            selection = client.select(4, key=f"step-{steps}")
            client.report(selection, {task: [1.0, 0.0] for task in selection.tasks})
            steps += 1

    with Service(tmp_path / "data") as service, SelectorClient(service.url, RUN) as client:
        client.create_pool("pool")
        client.add_tasks("pool", [Task(id=f"task-{number}") for number in range(1000)])
        client.create_run(RUN, "pool")
        training = threading.Thread(target=train, args=(client,))
        training.start()
        while steps < 20:
            enough.wait(0.01)
        acknowledged = steps
        while back_up(service.data_dir, tmp_path / "working.tar"):
            pass
        enough.set()
        training.join()
        back_up(service.data_dir, tmp_path / "resting.tar")
        before = evidence(client)
        assert service.stop() == 0

    with Service(put_back(tmp_path / "resting.tar", tmp_path / "rested")) as service:
        with SelectorClient(service.url, RUN) as client:
            assert evidence(client) == before
        assert service.stop() == 0
    with Service(put_back(tmp_path / "working.tar", tmp_path / "worked")) as service:
        with SelectorClient(service.url, RUN) as client:
            events, _ = evidence(client)
        assert service.stop() == 0
    assert events == before[0][: len(events)]
    assert sum(event["type"] == "committed" for event in events) >= acknowledged


def test_a_log_that_was_rewritten_meanwhile_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    manifest = folder / "appendonly.aof.manifest"
    manifest.write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "tar").write_text(f"#!/bin/sh\necho other > {manifest}\n")
    (programs / "tar").chmod(0o755)
    command = ["sh", str(ROOT / "deploy/backup.sh"), str(tmp_path)]
    ended = subprocess.run(
        command, env={"PATH": f"{programs}:/bin:/usr/bin"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "rewritten its log meanwhile: try again" in ended.stderr


def test_the_pod_to_restore_by_has_the_volume_and_the_user_of_redis() -> None:
    pod = yaml.safe_load((ROOT / "k8s/restore.yaml").read_text())
    redis = next(
        each
        for each in yaml.safe_load_all((ROOT / "k8s/base/redis/statefulset.yaml").read_text())
        if each["kind"] == "StatefulSet"
    )
    for version in VERSIONS:
        validate(pod, version)
    template, claim = redis["spec"]["template"]["spec"], redis["spec"]["volumeClaimTemplates"][0]
    name = f"{claim['metadata']['name']}-{redis['metadata']['name']}-0"
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == name
    assert pod["spec"]["containers"][0]["image"] == template["containers"][0]["image"]
    assert pod["spec"]["securityContext"]["runAsUser"] == template["securityContext"]["runAsUser"]
