"""The typed parameters of a notebook: what a profile may set, of which type, and every way of getting it wrong.

A notebook has one code cell tagged `parameters` that holds nothing but typed assignments of literals,

    epochs: int = 2                 # passes over the training set
    method: str = "music"

and what is derived from them stands in a later cell (papermill does not recompute it otherwise). A cell tagged
`check` may hold `assert` statements about the parameters alone; they are evaluated before anything starts, so that an
impossible combination costs no time, and once more when the notebook runs.

papermill only warns about a misspelt name and turns tuples into text; here both are errors.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from musiclib.schema import read_yaml

REQUIRED = {"out": "str", "seed": "int"}
LOCATIONS = ("out", "data_root")  # where things are, not what is computed: in no hash
SCALARS = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One typed assignment: name, annotation as written, default value and the comment behind it."""

    name: str
    annotation: str
    default: object
    help: str = ""


@dataclass(frozen=True)
class Notebook:
    """What the planner knows of a notebook. problems: everything that would keep the runner from trusting it."""

    name: str
    path: Path
    parameters: dict[str, Parameter] = field(default_factory=dict)
    checks: tuple[ast.Assert, ...] = ()
    title: str = ""
    hash: str = ""
    problems: tuple[str, ...] = ()


def accepts(annotation: ast.expr, value: object) -> bool:
    """Whether a JSON-like value is of the annotated type. An int is a float; a bool is no number; a tuple is never
    accepted."""
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return value is None
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):  # "list[int]" written as text
        return accepts(ast.parse(annotation.value, mode="eval").body, value)
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return accepts(annotation.left, value) or accepts(annotation.right, value)
    if isinstance(annotation, ast.Name):
        if annotation.id == "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        if annotation.id == "int":
            return isinstance(value, int) and not isinstance(value, bool)
        if annotation.id in ("str", "bool"):
            return isinstance(value, SCALARS[annotation.id])
        if annotation.id in ("list", "dict"):
            return isinstance(value, {"list": list, "dict": dict}[annotation.id]) and is_json(value)
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        outer, inner = annotation.value.id, annotation.slice
        if outer == "list":
            return isinstance(value, list) and all(accepts(inner, v) for v in value)
        if outer == "dict" and isinstance(inner, ast.Tuple) and len(inner.elts) == 2:
            return isinstance(value, dict) and all(
                isinstance(k, str) and accepts(inner.elts[1], v) for k, v in value.items()
            )
        if outer == "Literal":
            choices = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return any(
                type(value) is type(c.value) and value == c.value for c in choices if isinstance(c, ast.Constant)
            )
    raise ValueError(
        f"the type {ast.unparse(annotation)!r} is not one a parameter can have; "
        "use int, float, str, bool, list[...], dict[str, ...], Literal[...] or one of them with '| None'"
    )


def is_json(value: object) -> bool:
    """Whether papermill hands the value over unchanged: no tuples, no keys but text, no arrays, no paths."""
    if isinstance(value, list):
        return all(is_json(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and is_json(v) for k, v in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def problem_with(parameter: Parameter, value: object) -> str | None:
    """Why the value cannot be given to the parameter, as a sentence; None when it can."""
    if isinstance(value, tuple):
        return f"{parameter.name}={value!r} is a tuple, which papermill would hand over as text; write a list"
    if isinstance(value, float) and math.isinf(value):
        return f"{parameter.name}={value!r} is not finite, which the notebook format cannot carry"
    if accepts(ast.parse(parameter.annotation, mode="eval").body, value):
        return None
    inside = (
        "" if is_json(value) else " of values that a notebook can be given (no tuples, paths or arrays; keys are text)"
    )
    return (
        f"{parameter.name}={value!r} is {article(value)}, but {parameter.name} must be {parameter.annotation}{inside}"
    )


def article(value: object) -> str:
    """'a str', 'an int', 'None': the type of a value in a sentence."""
    if value is None:
        return "None"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def from_text(parameter: Parameter, text: str) -> object:
    """The value that `--set NAME=TEXT` means for this parameter. Text stays text where the parameter is one ('0' for
    a str is '0'); lists and dicts are read as YAML or JSON. Raises ValueError with the reason."""
    kind = ast.parse(parameter.annotation, mode="eval").body
    if accepts_only_text(kind):
        return text
    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        raise ValueError(f"{parameter.name}={text!r} cannot be read as {parameter.annotation}") from None
    if not accepts(kind, value) and accepts(kind, text):
        value = text  # 'Literal["1", "2"]', 'str | None'
    reason = problem_with(parameter, value)
    if reason:
        raise ValueError(reason)
    return value


def accepts_only_text(kind: ast.expr) -> bool:
    return isinstance(kind, ast.Name) and kind.id == "str"


def unknown_name(name: str, known, what: str) -> str:
    """'no parameter named ...' with the nearest known names, or all of them where none is near."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"no {what} named {name!r}; {hint}"


# -- reading a notebook --------------------------------------------------------------------------------------------


def read_notebook(path: Path) -> Notebook:
    """Read and check a notebook. Never raises for a bad one: what is wrong is listed in `.problems`."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = [
            (c["cell_type"], "".join(c["source"]), c.get("metadata", {}).get("tags", [])) for c in content["cells"]
        ]
    except OSError as error:
        return Notebook(path.stem, path, problems=(f"cannot be read: {error}",))
    except (ValueError, KeyError, TypeError) as error:
        return Notebook(path.stem, path, problems=(f"is no notebook of format 4 ({type(error).__name__}: {error})",))
    problems: list[str] = []
    if content.get("metadata", {}).get("kernelspec", {}).get("name") != "python3":
        problems.append("names no kernel 'python3' in its metadata, without which `papermill` alone cannot start it")
    tagged = [source for kind, source, tags in cells if kind == "code" and "parameters" in tags]
    if len(tagged) != 1:
        problems.append(f"has {len(tagged)} code cells tagged 'parameters', exactly one is needed")
    parameters = parse_parameters(tagged[0], problems) if tagged else {}
    for name, kind in REQUIRED.items():
        if tagged and (name not in parameters or parameters[name].annotation != kind):
            problems.append(f"lacks the parameter `{name}: {kind}`, which every notebook has")
    checks = [
        parse_checks(source, parameters, problems) for kind, source, tags in cells if kind == "code" and "check" in tags
    ]
    title = next(
        (
            line.lstrip("# ")
            for kind, source, _ in cells
            if kind == "markdown"
            for line in source.splitlines()
            if line.startswith("# ")
        ),
        "",
    )
    digest = hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:12]
    return Notebook(
        path.stem, path, parameters, tuple(c for cell in checks for c in cell), title, digest, tuple(problems)
    )


def parse_parameters(source: str, problems: list[str]) -> dict[str, Parameter]:
    """The typed assignments of a parameters cell; appends to `problems` whatever papermill would silently get wrong."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        problems.append(f"has a parameters cell that is no Python: {error}")
        return {}
    lines, found = source.splitlines(), {}
    for node in tree.body:
        where = f"line {node.lineno} of the parameters cell ({lines[node.lineno - 1].strip()!r})"
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            problems.append(f"{where} is no typed assignment `name: type = value`")
            continue
        name, annotation = node.target.id, ast.unparse(node.annotation)
        if name in found:
            problems.append(f"{where} assigns {name} a second time")
            continue
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            problems.append(f"{where} is not a literal; papermill would not recompute it: move it to the next cell")
            continue
        if "=" in repr(default):
            problems.append(
                f"{where} has '=' in its default, which papermill does not recognise as a parameter; start from \"\""
            )
        tail = lines[node.end_lineno - 1][node.end_col_offset :]
        parameter = Parameter(name, annotation, default, tail.split("#", 1)[1].strip() if "#" in tail else "")
        try:
            reason = problem_with(parameter, default)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        if reason:
            problems.append(f"{where}: {reason}")
        found[name] = parameter
    return found


def parse_checks(source: str, parameters: dict[str, Parameter], problems: list[str]) -> list[ast.Assert]:
    """The assert statements of a cell tagged `check`; they may name parameters and a few builtins, nothing else."""
    try:
        nodes = ast.parse(source).body
    except SyntaxError as error:
        problems.append(f"has a check cell that is no Python: {error}")
        return []
    for node in nodes:
        if not isinstance(node, ast.Assert):
            problems.append(f"has a check cell with something else than assert: {ast.unparse(node)!r}")
            continue
        bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        free = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - bound - set(parameters) - set(BUILTINS)
        if free:
            problems.append(f"has a check on {', '.join(sorted(free))}, which are no parameters: {ast.unparse(node)!r}")
    return [n for n in nodes if isinstance(n, ast.Assert)]


BUILTINS = {
    f.__name__: f for f in (len, all, any, min, max, sum, abs, set, isinstance, int, float, str, bool, list, dict)
}


def failed_checks(notebook: Notebook, values: dict) -> list[str]:
    """The messages of the notebook's own checks that these parameter values do not meet."""
    messages = []
    for check in notebook.checks:
        names = {"__builtins__": {}, **BUILTINS, **values}
        try:
            if not evaluated(check.test, names):
                text = evaluated(check.msg, names) if check.msg else f"{ast.unparse(check.test)} does not hold"
                messages.append(str(text))
        except Exception as error:
            messages.append(f"{ast.unparse(check.test)} could not be evaluated: {type(error).__name__}: {error}")
    return messages


def evaluated(node: ast.expr, names: dict) -> object:
    """The value of an expression of a check cell, which `parse_checks` has found to name nothing but parameters and
    BUILTINS."""
    return eval(compile(ast.Expression(node), "check", "eval"), dict(names))


def values_hash(values: dict) -> str:
    """12 hex digits over the parameter values, leaving out where files lie."""
    text = json.dumps({k: v for k, v in values.items() if k not in LOCATIONS}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
