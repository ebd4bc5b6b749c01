"""A contract for import-linter: a package imports the standard library, itself and what is named, nothing else."""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """`type = "only"`: `source` may import `allowed`; modules of `apart`, packages within it, are not looked at."""

    source = fields.StringField()
    allowed = fields.SetField(subfield=fields.StringField())
    apart = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every direct import of the package's modules."""
        names: Any = self
        known = {names.source, *names.allowed, *sys.stdlib_module_names}
        imports = [
            f"{module} imports {imported}"
            for module in sorted({names.source} | graph.find_descendants(names.source))
            if not _within(module, names.apart or ())
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if not _within(imported, known)
        ]
        return ContractCheck(kept=not imports, metadata={"imports": imports})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say which imports are not allowed."""
        for line in check.metadata["imports"]:
            output.print_error(line, bold=False)


def _within(module: str, packages: Any) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
