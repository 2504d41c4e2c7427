"""The rules of the package: which folders there are, who imports whom, what start-up loads."""

import ast
import graphlib
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "zipsel"

#: From the ground up: folders, and the two modules beside them. None imports a later one.
FLOORS = [
    "texts",
    "console",
    "errors",
    "storage",
    "pool",
    "engines",
    "scorers",
    "readers",
    "explain",
    "scoring",
    "selection",
    "output",
    "evaluation",
    "report",
    "commands",
    "api",
    "cli",
]

#: Import → the only folder that may have it.
RESERVED = {
    "click": "cli",
    "multiprocessing": "engines",
    "concurrent": "engines",
    "loky": "engines",
    "ray": "engines",
    "fsspec": "storage",
}

#: Folder → the end of the names of classes that only its own modules tell apart.
TOLD_APART = {"scorers": "Scorer", "readers": "Chunk"}

MAX_LINES, MAX_PARAMETERS = 60, 7


def iter_modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(iter_modules())


@cache
def tree_of(module):
    return ast.parse(MODULES[module].read_text())


def iter_nodes(module, *kinds):
    return (node for node in ast.walk(tree_of(module)) if isinstance(node, kinds))


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def iter_import_nodes(node, *, eager):
    """Imports under a node, those for the type checker left out; ``eager``: at import time."""
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (eager and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from iter_import_nodes(child, eager=eager)


def imports_of(module, *, eager=False):
    """Dotted names that a module imports."""
    found = set()
    for node in iter_import_nodes(tree_of(module), eager=eager):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        else:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def graph(*, eager):
    """Module → modules of the package that it imports; the package itself is a façade."""
    edges = {}
    for module in MODULES:
        edges[module] = set()
        for name in imports_of(module, eager=eager):
            head, _, rest = name.partition(".")
            if head == "zipsel":
                edges[module].add(rest if rest in MODULES else rest.rpartition(".")[0])
    edges.pop("")
    return {module: targets - {module, ""} for module, targets in edges.items()}


def floor_of(module):
    return module.split(".")[0]


def test_the_package_is_its_folders_in_order():
    here = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    files = {"__init__.py", "__main__.py", "errors.py", "texts.py", "py.typed"}
    assert here == files | set(FLOORS) - {"errors", "texts"}


def test_no_module_imports_itself_by_way_of_others():
    try:
        graphlib.TopologicalSorter(graph(eager=True)).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_no_floor_imports_a_higher_one():
    up = [
        f"{module} → {target}"
        for module, targets in graph(eager=False).items()
        if module != "__main__"
        for target in sorted(targets)
        if FLOORS.index(floor_of(target)) > FLOORS.index(floor_of(module))
    ]
    assert up == []


@pytest.mark.parametrize("reserved", RESERVED)
def test_what_only_one_folder_may_know(reserved):
    strangers = [
        module
        for module in MODULES
        if any(name.split(".")[0] == reserved for name in imports_of(module))
        and floor_of(module) != RESERVED[reserved]
    ]
    assert strangers == []


def test_private_names_stay_in_their_module():
    found = [
        f"{module}: {name}"
        for module in MODULES
        for name in imports_of(module)
        if name.startswith("zipsel.")
        and name.split(".")[-1].startswith("_")
        and not name.endswith("__")
    ]
    assert found == []


def iter_isinstance(module):
    """Classes that a module asks for by ``isinstance``, and where."""
    for node in iter_nodes(module, ast.Call):
        if ast.unparse(node.func) in ("isinstance", "issubclass"):
            for name in ast.walk(node.args[1]):
                if isinstance(name, ast.Name | ast.Attribute):
                    yield ast.unparse(name).split(".")[-1], f"{module}:{node.lineno}"


@pytest.mark.parametrize("folder", TOLD_APART)
def test_only_their_folder_tells_kinds_apart(folder):
    classes = {
        node.name
        for module in MODULES
        if floor_of(module) == folder
        for node in iter_nodes(module, ast.ClassDef)
        if node.name.endswith(TOLD_APART[folder])
        or (module == "scorers" and "runtime_checkable" in map(ast.unparse, node.decorator_list))
    }
    assert classes
    found = [
        f"{place}: {name}"
        for module in MODULES
        if floor_of(module) != folder
        for name, place in iter_isinstance(module)
        if name in classes and f"zipsel.api.scorer.{name}" not in imports_of(module)
    ]
    assert found == []


def test_each_capability_is_asked_for_in_one_function():
    capabilities = {
        node.name
        for node in iter_nodes("scorers", ast.ClassDef)
        if "runtime_checkable" in map(ast.unparse, node.decorator_list)
    }
    asked = [
        name
        for module in MODULES
        if floor_of(module) == "scorers"
        for name, _ in iter_isinstance(module)
        if name in capabilities
    ]
    assert sorted(asked) == sorted(capabilities)


def test_no_cache_is_keyed_by_a_path():
    """Files change: what is kept from one run to the next is told apart by its content."""
    keyed = [
        f"{module}.{node.name}"
        for module in MODULES
        for node in iter_nodes(module, ast.FunctionDef)
        if {ast.unparse(one).split("(")[0].split(".")[-1] for one in node.decorator_list}
        & {"cache", "lru_cache"}
        and {ast.unparse(one.annotation) for one in node.args.args if one.annotation}
        & {"str", "Path", "str | Path"}
    ]
    assert keyed == []


def test_functions_are_short_and_take_few_parameters():
    found = set()
    for module in MODULES:
        for node in iter_nodes(module, ast.FunctionDef, ast.AsyncFunctionDef):
            given = node.args
            parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            n_parameters = len([one for one in parameters if one.arg not in ("self", "cls")])
            n_lines = node.end_lineno - node.lineno + 1
            if n_lines > MAX_LINES or n_parameters > MAX_PARAMETERS:
                found.add(f"{module}.{node.name}")
    assert found == set()


def test_nothing_prints():
    callers = [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in iter_nodes(module, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert callers == []


def test_no_pickle_of_anything_that_comes_from_a_file():
    """A profile from elsewhere must not run code."""
    users = [module for module in MODULES if "pickle" in imports_of(module)]
    assert [module for module in users if floor_of(module) != "engines"] == []


def loaded_by(*arguments):
    code = (
        "import json, sys\n"
        f"sys.argv = ['zipsel', *{list(arguments)!r}]\n"
        "try:\n    from zipsel.cli import main; main()\n"
        "except SystemExit:\n    pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1])), done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("nonsense",)])
def test_help_loads_nothing_heavy(arguments):
    loaded, _ = loaded_by(*arguments)
    assert loaded & {"pyarrow", "numpy", "ray", "zstandard", "rich", "concurrent"} == set()


def test_help_of_a_command_does_without_arrow():
    loaded, shown = loaded_by("select", "--help")
    assert "--top-k" in shown
    assert loaded & {"pyarrow", "ray", "rich", "lz4", "tokenizers", "pyppmd"} == set()


def test_options_load_nothing_that_scores():
    """Before the settings are known, no worker can start: what is loaded by then delays all."""
    code = (
        "import sys; import zipsel.commands.start; "
        "from zipsel.commands.options import Given, gather; "
        "from zipsel.commands.settings import run_settings, select_settings; "
        "level = {'pool': ('p',), 'target': ('t',), 'output': 'o', 'top_k': 1, 'workers': 2}; "
        "options = gather('select', [{name: Given(one) for name, one in level.items()}]); "
        "run_settings(options), select_settings(options); "
        "sys.exit(bool({'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_command_loads_none_of_the_others():
    """Of which explain loads what it prints with; options of all commands are known by name."""
    loaded, _ = loaded_by("fit", "no-pool", "--target", "no-target", "--output", "no.profile")
    assert "pyarrow" in loaded
    assert "rich" not in loaded


def test_the_names_of_scorers_and_strategies_cost_nothing():
    code = (
        "import sys; from zipsel.scorers import SCORERS; from zipsel.selection.strategies import "
        "STRATEGIES; sys.exit(bool({'numpy', 'importlib.metadata'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
