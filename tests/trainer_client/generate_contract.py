"""Writes `trainer_client/_contract/`: what the service takes, in the service's own words.

    python -m tests.trainer_client.generate_contract

The fake selector refuses what the service refuses, and trainer_client imports nothing of the service. So the
definitions that say what a body may hold are taken over from the service's source: those of `ENTRIES` and all that
they need, a file for each file of the service. Of a dataclass its fields are taken, and of its methods `METHODS`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICE = "selector_api"
CONTRACT = "trainer_client._contract"
ENTRIES = {
    "selector_api.core.fields": ["to_dict"],
    "selector_api.core.fold": ["LOG_VERSION"],
    "selector_api.web.json_body": ["read_json"],
    "selector_api.web.schemas.pools": ["PoolRequest", "TaskItem"],
    "selector_api.web.schemas.runs": ["ChangeRequest", "RunRequest", "TasksRequest"],
    "selector_api.web.schemas.selections": [
        "ReleaseRequest",
        "RenewRequest",
        "ReportRequest",
        "SelectRequest",
    ],
}
"""By module of the service, what the fake uses of it."""
METHODS = {"__post_init__", "reads", "references", "settled_as", "shares", "unsuited"}
"""Of dataclasses: their rules, what they ask of a pool, and what they warn of."""

HEADER = '''"""Taken over from {} by generate_contract.py: change it there."""

# pyright: standard
'''


class Source:
    """A module of the service, and which of its definitions are taken."""

    def __init__(self, module: str):
        path = Path(*module.split("."))
        self.path = path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")
        self.text = (ROOT / self.path).read_text()
        self.taken: set[str] = set()
        self.used: set[str] = set()
        self.tree = ast.parse(self.text)
        self.definitions = {name: node for node in self.tree.body for name in _names_defined(node)}
        self.imports = {alias.asname or alias.name for node in self._imported() for alias in node.names}
        self.of_service = {
            alias.asname or alias.name: (str(node.module), alias.name)
            for node in self._imported()
            if isinstance(node, ast.ImportFrom) and _is_of_service(node.module)
            for alias in node.names
        }

    def code(self) -> str:
        """The taken definitions in their order, with the imports that they need."""
        pieces: list[str] = []
        taken = False
        for node in self.tree.body:
            if taken and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                pieces.append(self._source(node))  # its description
            taken = not self.taken.isdisjoint(_names_defined(node))
            if taken:
                pieces.append(self._source(node))
        return "\n".join([HEADER.format(self.path.as_posix()), *self._imports(), *pieces])

    def _imports(self) -> Iterator[str]:
        for node in self._imported():
            node.names = [
                alias
                for alias in node.names
                if (alias.asname or alias.name) in self.used or getattr(node, "module", "") == "__future__"
            ]
            if isinstance(node, ast.ImportFrom) and _is_of_service(node.module):
                node.module = contract_module(str(node.module))
            if node.names:
                yield ast.unparse(node)

    def _imported(self) -> list[ast.Import | ast.ImportFrom]:
        return [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]

    def _source(self, node: ast.stmt) -> str:
        """The text of a definition; of a dataclass without its behaviour."""
        left_out = {line for method in _behaviour(node) for line in _lines(method)}
        lines = self.text.splitlines()
        kept = [lines[number - 1] for number in _lines(node) if number not in left_out]
        return "\n".join(kept).rstrip()


def sources() -> dict[str, Source]:
    """The service's modules of which something is taken, by name."""
    found: dict[str, Source] = {}
    wanted = [(module, name) for module, names in ENTRIES.items() for name in names]
    while wanted:
        module, name = wanted.pop()
        source = found.setdefault(module, Source(module))
        if name in source.taken:
            continue
        if name not in source.definitions:
            raise LookupError(f"{module} does not define {name!r}: import it from where it is defined")
        node = source.definitions[name]
        source.taken.update(_names_defined(node))
        for used in _names_used(node):
            if used in source.definitions:
                wanted.append((module, used))
            elif used in source.imports:
                source.used.add(used)
            if used in source.of_service:
                wanted.append(source.of_service[used])
    return found


def contract_module(module: str) -> str:
    """`trainer_client._contract.core_config` for `selector_api.core.config`."""
    return f"{CONTRACT}.{module.removeprefix(SERVICE + '.').replace('.', '_')}"


def write_contract(folder: Path) -> None:
    """Write the contract's files into a folder, in the place of those that are there."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    text = '"""What the service takes, taken over from its source by generate_contract.py."""\n'
    (folder / "__init__.py").write_text(text)
    for module, source in sources().items():
        (folder / f"{contract_module(module).rpartition('.')[2]}.py").write_text(source.code())
    for arguments in (["check", "--fix", "--select=I"], ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--quiet", f"--config={ROOT / 'pyproject.toml'}"]
        subprocess.run([*command, str(folder)], check=True, cwd=ROOT)


def _names_defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.If():
            return [name for inner in (*node.body, *node.orelse) for name in _names_defined(inner)]
        case _:
            return []


def _names_used(node: ast.stmt) -> set[str]:
    left_out = {id(inner) for method in _behaviour(node) for inner in ast.walk(method)}
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and id(inner) not in left_out}


def _behaviour(node: ast.stmt) -> list[ast.stmt]:
    """The methods of a dataclass that are left out."""
    if not isinstance(node, ast.ClassDef) or "dataclass" not in map(_decorator, node.decorator_list):
        return []
    return [inner for inner in node.body if isinstance(inner, ast.FunctionDef) and inner.name not in METHODS]


def _decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _lines(node: ast.stmt) -> range:
    """The numbers of the lines of a statement, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    assert node.end_lineno is not None
    return range(min([node.lineno, *(each.lineno for each in decorators)]), node.end_lineno + 1)


def _is_of_service(module: str | None) -> bool:
    return module is not None and module.split(".")[0] == SERVICE


if __name__ == "__main__":
    write_contract(ROOT.joinpath(*CONTRACT.split(".")))
