"""Every kubectl command that a document or the head of a file says, by the real kubectl, up to a cluster's door.

There it ends, since nothing listens: so kubectl has taken the arguments and read the files. What the commands name
is looked for in the manifests.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import ROOT, Manifest, containers, copy_of_k8s, rendered
from tests.docs.blocks import DOCUMENTS, blocks, environment

FOLDERS = ("overlays/dev", "trainer", "reference_eval")
APART = ("namespace.yaml", "restore.yaml", "*/files.yaml", "*/volume.yaml")
KINDS = {"pvc": "persistentvolumeclaim"}
TO_NOWHERE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "nowhere", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": ""}}],
    "current-context": "nowhere",
}
_IN_TEXT = re.compile(r"`(kubectl [^`]+)`")
_IN_HEADS = re.compile(r"^#\s+((?:kubectl|for each) .*?)(?:\s{2,}#.*)?$", re.MULTILINE)


def commands() -> Iterator[str]:
    """Those of documents, in their blocks and in their text, and of the heads of files."""
    for document in DOCUMENTS:
        for block in blocks(document):
            for line in re.sub(r"\\\n\s*", "", block).splitlines():
                if line.startswith("kubectl "):
                    yield line
        yield from _IN_TEXT.findall((ROOT / document).read_text())
    for folder in ("k8s", "deploy"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".yaml", ".sh"):
                yield from _IN_HEADS.findall(file.read_text())
                yield from _IN_TEXT.findall(file.read_text())


WORDS_ONLY = ("kubectl apply", "kubectl delete --kustomize", "kubectl drain", "kubectl port-forward")
"""What is spoken of, not to be typed."""
COMMANDS = sorted(
    {" ".join(each.partition("  #")[0].split()) for each in commands() if "…" not in each} - set(WORDS_ONLY)
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read: the manifests with their secrets, a backup, a folder of tasks."""
    folder = tmp_path_factory.mktemp("checkout")
    copy_of_k8s(folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    shutil.copytree(folder / "k8s/overlays/dev/secrets", folder / "secrets")
    (folder / "guru").mkdir()
    (folder / "backup.tar").touch()
    (folder / "config").write_text(yaml.safe_dump(TO_NOWHERE))
    return folder


@pytest.fixture(scope="module")
def there(checkout: Path) -> dict[tuple[str, str], Manifest]:
    """What an installation, a training and an evaluation have, by kind and name."""
    found = [each for folder in FOLDERS for each in rendered(checkout / "k8s" / folder)]
    found += [yaml.safe_load(file.read_text()) for name in APART for file in (checkout / "k8s").glob(name)]
    by_name = {(each["kind"].lower(), each["metadata"]["name"]): each for each in found}
    for (kind, name), each in list(by_name.items()):
        if kind == "statefulset":
            by_name["pod", f"{name}-0"] = each["spec"]["template"]
            for claim in each["spec"]["volumeClaimTemplates"]:
                by_name["persistentvolumeclaim", f"{claim['metadata']['name']}-{name}-0"] = claim
    return by_name


def named(command: str) -> Iterator[tuple[str, str]]:
    """Kinds and names that a command of kubectl's speaks of."""
    words = shlex.split(command.partition(" -- ")[0].replace("<", " ").replace(">", " "))
    for word in words:
        if "=" not in word and (
            pair := re.fullmatch(r"(statefulset|deployment|pod|job|service)/([\w-]+)", word)
        ):
            yield pair[1], pair[2]
        if pod := re.fullmatch(r"bots/([\w-]+):.*", word):
            yield "pod", pod[1]
    if "exec" in words:
        place = next(word for word in words[words.index("exec") + 1 :] if not word.startswith("-"))
        if "/" not in place:
            yield "pod", place
    if "delete" in words:
        kind, *names = words[words.index("delete") + 1 :]
        if not kind.startswith("-"):
            yield from ((KINDS.get(kind, kind), name) for name in names if not name.startswith("-"))


def test_there_are_some() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("command", COMMANDS)
def test_kubectl_takes_them_and_finds_their_files(command: str, checkout: Path) -> None:
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=checkout / "k8s/overlays/dev" if command.endswith(" .") else checkout,
        env=environment({"KUBECONFIG": str(checkout / "config")}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode
    assert "refused" in ended.stderr, ended.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_what_they_name_is_there(command: str, there: dict[tuple[str, str], Manifest]) -> None:
    for kind, name in named(command):
        assert (kind, name) in there
        if container := re.search(r"--container ([\w-]+)", command):
            template = there[kind, name]["spec"].get("template", there[kind, name])
            assert container[1] in {each["name"] for each in containers(template)}


@pytest.mark.parametrize("folder", ["trainer", "reference_eval"])
def test_what_was_changed_since_does_not_make_an_uninstall_fail(folder: str) -> None:
    """A ConfigMap's name changes with what it holds, so that the old one is not found any more."""
    kustomization = yaml.safe_load((ROOT / "k8s" / folder / "kustomization.yaml").read_text())
    assert kustomization["configMapGenerator"]
    deletes = [command for command in COMMANDS if f"delete --kustomize k8s/{folder}" in command]
    assert deletes
    assert all("--ignore-not-found" in command for command in deletes)
