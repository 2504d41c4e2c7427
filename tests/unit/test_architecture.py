"""The floors of the package: who may import whom, and what start-up may load."""

import ast
import graphlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "zipsel"

#: From the ground up. What stands on a floor is never imported by what stands below it, directly
#: or through others. Modules that are not named here stand wherever their imports put them.
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

#: Import → the only places that may have it.
RESERVED = {
    "click": ("cli",),
    "multiprocessing": ("engines",),
    "concurrent": ("engines",),
    "ray": ("engines",),
}


def iter_modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(iter_modules())


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


def imports_of(path, *, eager):
    """Dotted names that a file imports."""
    found = set()
    for node in iter_import_nodes(ast.parse(path.read_text()), eager=eager):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        else:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def graph(*, eager):
    """Module → modules of the package that it imports; the package itself is a façade."""
    edges = {}
    for module, path in MODULES.items():
        edges[module] = set()
        for name in imports_of(path, eager=eager):
            head, _, rest = name.partition(".")
            if head == "zipsel":
                own = rest if rest in MODULES else rest.rpartition(".")[0]
                edges[module].add(own)
    edges.pop("")
    return {module: targets - {module, ""} for module, targets in edges.items()}


def test_no_module_imports_itself_by_way_of_others():
    try:
        graphlib.TopologicalSorter(graph(eager=True)).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def is_on(floor, module):
    return module == floor or module.startswith(f"{floor}.")


def path_up(edges, start, upper):
    """How a module reaches a floor above its own, or None."""
    ways, seen = [(start,)], {start}
    while ways:
        way = ways.pop()
        for target in sorted(edges[way[-1]] - seen):
            if any(is_on(floor, target) for floor in upper):
                return (*way, target)
            seen.add(target)
            ways.append((*way, target))
    return None


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_reaches_a_higher_one(floor):
    edges = graph(eager=False)
    upper = FLOORS[FLOORS.index(floor) + 1 :]
    modules = [module for module in edges if is_on(floor, module)]
    assert modules, f"{floor} is gone: put the floors right"
    ways = filter(None, (path_up(edges, module, upper) for module in modules))
    assert [" → ".join(way) for way in ways] == []


@pytest.mark.parametrize("reserved", RESERVED)
def test_what_only_some_places_may_know(reserved):
    strangers = [
        module
        for module, path in MODULES.items()
        if any(name.split(".")[0] == reserved for name in imports_of(path, eager=False))
        and not any(is_on(place, module) for place in RESERVED[reserved])
    ]
    assert strangers == []


def test_nothing_prints():
    callers = [
        f"{path.name}:{node.lineno}"
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert callers == []


def test_no_pickle_of_anything_that_comes_from_a_file():
    """A profile from elsewhere must not run code."""
    users = [m for m, path in MODULES.items() if "pickle" in imports_of(path, eager=False)]
    assert [module for module in users if not is_on("engines", module)] == []


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
