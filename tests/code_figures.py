"""Figures about the words and the structure of the code, each with the places that count towards it.

python tests/code_figures.py [--list] [FOLDER ...]

Without folders it reads common, daemon and tui. `--list` prints the places too. `unit/test_structure.py`
holds the limits. The figures are those by which kronkeep was compared with other codebases: names that begin
with a participle, locals called `found`, parallel assignments, lambdas, circles of imports and the like.
"""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "daemon", "tui")
IRREGULAR = re.compile(
    r"told|said|met|heard|found|made|kept|held|sent|gone|born|began|given|taken|known|seen|built"
    r"|left|lost|shown|written|read_"
)
NO_PARTICIPLE = re.compile(r"need|feed|seed|embed|speed|shed|exceed|proceed|indeed|red|bed")
METAPHORS = re.compile(
    r"\b(told|heard|hears|anew|rooms?|house|lets? go|goes by itself|the one that|is told|go anew|papers)\b",
    re.I,
)
THIRD_PERSON = re.compile(
    r"Shows|Runs|Takes|Makes|Reads|Asks|Raises|Adds|Keeps|Goes|Removes|Moves|Begins|Stops|Opens"
    r"|Waits|Creates|Returns|Deletes|Writes|Restores|Gives|Scrolls|Sends|Forgets|Serves|Starts"
    r"|Counts|Puts|Does|Applies|Closes|Says|Copies|Lets|Marks|Binds|Draws|Prints|Looks|Commits|Ends"
    r"|Brings|Tells|Calls|Holds|Backs|Leaves|Allows|Tries|Measures|Checks|Carries|Connects|Cancels"
    r"|Cuts|Hears|Wants|Sorts|Sets|Pushes|Appends|Follows|POSTs|Fits|Suspends|Compares|Fills|Enters"
    r"|Signs|Passes|Fails|Owns|Hands|Finds|Wakes|Reports|Resumes|Remembers|Updates|Publishes"
    r"|Registers|Replaces|Turns|Judges|Feeds|Frees|Reloads|PUTs|PATCHes|DELETEs|Paints|Searches"
    r"|Drops|Strips|Wraps|Approves|Offers|Lays|Switches|Inserts|Kills|Merge-patches"
)
ARGUMENT = re.compile(r"\n\n([a-z_]\w*): ")
NAMED_TUPLE = {"_replace", "_asdict", "_fields", "_make", "_field_defaults"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Place(NamedTuple):
    """Where something stands that counts towards a figure."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {self.text}"


class Source(NamedTuple):
    """One module: its path, its text and the nodes of its syntax tree."""

    path: Path
    text: str
    nodes: tuple[ast.AST, ...]


def list_modules(*folders: str) -> Iterator[Path]:
    """Every module below `folders`, which are relative to the project."""
    for folder in folders:
        target = ROOT / folder
        yield from [target] if target.is_file() else sorted(target.rglob("*.py"))


def read_sources(*folders: str) -> list[Source]:
    """Parse every module below `folders`."""
    sources = []
    for path in list_modules(*folders):
        text = path.read_text()
        sources.append(Source(path=path, text=text, nodes=tuple(ast.walk(ast.parse(text)))))
    return sources


def functions(sources: list[Source]) -> Iterator[tuple[Source, Function]]:
    """Every function and method with the module that it stands in."""
    for source in sources:
        for node in source.nodes:
            if isinstance(node, Function):
                yield source, node


def participle_names(sources: list[Source]) -> list[Place]:
    """Functions whose name begins with a past participle; properties and tests are left out."""
    places = []
    for source, node in functions(sources):
        word = node.name.strip("_").split("_")[0]
        is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
        regular = word.endswith("ed") and not NO_PARTICIPLE.fullmatch(word) and len(word) > 4
        if (IRREGULAR.fullmatch(word) or regular) and not is_property and not node.name.startswith("test"):
            places.append(Place(source.path, node.lineno, node.name))
    return places


def vague_locals(sources: list[Source]) -> list[Place]:
    """Functions that assign to a local called `found` or `wanted`."""
    places = []
    for source, node in functions(sources):
        assigned = {
            target.id
            for child in ast.walk(node)
            if isinstance(child, ast.Assign)
            for target in child.targets
            if isinstance(target, ast.Name)
        }
        if assigned & {"found", "wanted"}:
            places.append(Place(source.path, node.lineno, node.name))
    return places


def parallel_assignments(sources: list[Source]) -> list[Place]:
    """Statements `a, b = x, y`; swaps count, too."""
    return [
        Place(source.path, node.lineno, ast.unparse(node)[:80])
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and any(isinstance(target, ast.Tuple) for target in node.targets)
    ]


def lambdas(sources: list[Source]) -> list[Place]:
    """Every lambda."""
    return [
        Place(source.path, node.lineno, ast.unparse(node)[:80])
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.Lambda)
    ]


def assigned_lambdas(sources: list[Source]) -> list[Place]:
    """Lambdas that are given a name, which a `def` does better."""
    return [
        Place(source.path, node.lineno, ast.unparse(node)[:80])
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Lambda)
    ]


def repeated_class_names(sources: list[Source]) -> list[Place]:
    """Classes whose name another class of the tree has, too."""
    by_name: dict[str, list[Place]] = defaultdict(list)
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                by_name[node.name].append(Place(source.path, node.lineno, node.name))
    return [place for places in by_name.values() if len(places) > 1 for place in places]


def long_positional_calls(sources: list[Source]) -> list[Place]:
    """Calls with six or more positional arguments."""
    return [
        Place(source.path, node.lineno, ast.unparse(node)[:80])
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.Call) and len(node.args) >= 6
    ]


def record_fields(sources: list[Source]) -> dict[str, int]:
    """How many fields each NamedTuple and struct has, by its class's name."""
    fields = {}
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                if bases & {"NamedTuple", "Struct"}:
                    fields[node.name] = sum(isinstance(child, ast.AnnAssign) for child in node.body)
    return fields


def positional_records(sources: list[Source]) -> list[Place]:
    """Records of more than three fields that are built with positional arguments."""
    fields = record_fields(sources)
    return [
        Place(source.path, node.lineno, ast.unparse(node)[:80])
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.func, ast.Name | ast.Attribute)
        and fields.get(ast.unparse(node.func).split(".")[-1], 0) > 3
    ]


def positional_constructors(sources: list[Source]) -> list[Place]:
    """Constructors that take more than three parameters by position."""
    foreign = {"JournalTable"}  # TinyDB calls it with positions of its own
    return [
        Place(source.path, child.lineno, node.name)
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and node.name not in foreign
        for child in node.body
        if isinstance(child, ast.FunctionDef) and child.name == "__init__" and len(child.args.args) > 4
    ]


def private_accesses(sources: list[Source]) -> list[Place]:
    """`x._y` where x is not the object itself; what NamedTuple calls so is left out."""
    places = []
    for source in sources:
        for node in source.nodes:
            if not isinstance(node, ast.Attribute) or not re.fullmatch(r"_[a-z]\w*[a-z0-9]", node.attr):
                continue
            owner = ast.unparse(node.value)
            if node.attr not in NAMED_TUPLE and owner not in ("self", "cls", "super()", "type(self)"):
                places.append(Place(source.path, node.lineno, ast.unparse(node)[:80]))
    return places


def module_name(path: Path) -> str:
    """The dotted name by which a module of the project is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] in PACKAGES else parts
    return ".".join(parts).removesuffix(".__init__")


def import_graph(sources: list[Source]) -> dict[str, set[str]]:
    """Which module imports which at its top level, `if TYPE_CHECKING` included."""
    names = {module_name(source.path) for source in sources}
    graph: dict[str, set[str]] = {}
    for source in sources:
        targets: set[str] = set()
        inner = {id(child) for _, function in functions([source]) for child in ast.walk(function)}
        for node in source.nodes:
            if isinstance(node, ast.ImportFrom) and node.module and id(node) not in inner:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    targets.add(full if full in names else node.module)
        graph[module_name(source.path)] = (targets & names) - {module_name(source.path)}
    return graph


def import_circles(sources: list[Source]) -> list[list[str]]:
    """Groups of modules that import each other (strongly connected components, by Tarjan's algorithm)."""
    graph = import_graph(sources)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                circles.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return circles


def docstrings(sources: list[Source]) -> Iterator[tuple[Place, str]]:
    """Every docstring with its place."""
    for source in sources:
        for node in source.nodes:
            if isinstance(node, Function | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
                name = "module" if isinstance(node, ast.Module) else node.name
                yield Place(source.path, getattr(node, "lineno", 1), f"{name}: {text.splitlines()[0]}"), text


def short_docstrings(sources: list[Source]) -> list[Place]:
    """Docstrings of three words or fewer: they say nothing that the name does not."""
    return [place for place, text in docstrings(sources) if len(text.split()) <= 3]


def third_person_docstrings(sources: list[Source]) -> list[Place]:
    """Docstrings that begin with a verb in the third person; `Runs of ...` and `Restores, ...` are nouns."""
    return [
        place
        for place, text in docstrings(sources)
        if THIRD_PERSON.fullmatch(text.split()[0].strip(".:;")) and text.split()[1:2] not in (["of"], ["and"])
    ]


def metaphors(sources: list[Source]) -> list[Place]:
    """Docstrings with words that are private to the project."""
    return [place for place, text in docstrings(sources) if METAPHORS.search(text)]


def ing_modules(sources: list[Source]) -> list[Place]:
    """Modules named after an activity; `testing` and `*_string` are nouns."""
    return [
        Place(source.path, 1, source.path.stem)
        for source in sources
        if source.path.stem.endswith("ing") and source.path.stem not in ("testing", "listing")
        and not source.path.stem.endswith(("_listing", "_encoding", "_decoding"))
    ]  # fmt: skip


def unknown_arguments(sources: list[Source]) -> list[Place]:
    """Arguments that a paragraph of a function's docstring explains, and that the function does not take."""
    places = []
    for source, node in functions(sources):
        taken = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        names = ARGUMENT.findall(ast.get_docstring(node) or "")
        unknown = (name for name in names if name not in taken)
        places += [Place(source.path, node.lineno, f"{node.name}: {name}") for name in unknown]
    return places


COUNTS = {
    "functions whose name begins with a participle": participle_names,
    "functions with a local called found or wanted": vague_locals,
    "parallel assignments": parallel_assignments,
    "lambdas": lambdas,
    "assigned lambdas": assigned_lambdas,
    "classes that share a name": repeated_class_names,
    "calls with six or more positional arguments": long_positional_calls,
    "records of more than three fields built by position": positional_records,
    "constructors of more than three positional parameters": positional_constructors,
    "private members of other objects": private_accesses,
    "docstrings of three words or fewer": short_docstrings,
    "docstrings in the third person": third_person_docstrings,
    "docstrings with private words": metaphors,
    "modules named after an activity": ing_modules,
    "arguments in docstrings that the function does not take": unknown_arguments,
}


def comment_lines(sources: list[Source]) -> int:
    """Lines with a comment, after code or alone."""
    tokens = (tokenize.generate_tokens(io.StringIO(source.text).readline) for source in sources)
    return sum(token.type == tokenize.COMMENT for module in tokens for token in module)


def code_lines(sources: list[Source]) -> int:
    """Lines that are neither empty nor a comment nor in a docstring."""
    total = 0
    for source in sources:
        texts = sum(len(text.splitlines()) for _, text in docstrings([source]))
        lines = [line for line in source.text.splitlines() if line.strip()]
        total += sum(not line.lstrip().startswith("#") for line in lines) - texts
    return total


def print_figures(sources: list[Source], *, with_places: bool) -> None:
    """Print the table, and under each figure its places."""
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for _, node in functions(sources))
    files = sorted(len(source.text.splitlines()) for source in sources)
    code = code_lines(sources)
    classes = Counter(isinstance(node, ast.ClassDef) for source in sources for node in source.nodes)
    print(f"{len(files)} files, median {statistics.median(files):.0f}, longest {files[-1]} lines")
    print(f"{code} lines of code, {classes[True]} classes")
    print(
        f"{len(lengths)} functions, median {statistics.median(lengths):.0f}, "
        f"90th percentile {lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]} lines"
    )
    print(f"{100 * comment_lines(sources) / code:.1f} lines of comment per 100 lines of code")
    for name, count in COUNTS.items():
        places = count(sources)
        share = f" ({100 * len(places) / len(lengths):.1f} %)" if "functions whose" in name else ""
        print(f"{len(places):6}  {name}{share}")
        for place in places if with_places else ():
            print(f"        {place}")
    circles = import_circles(sources)
    print(f"{len(circles):6}  circles of imports")
    for circle in circles if with_places else ():
        print(f"        {' '.join(circle)}")


if __name__ == "__main__":
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    print_figures(read_sources(*(folders or PACKAGES)), with_places="--list" in sys.argv)
