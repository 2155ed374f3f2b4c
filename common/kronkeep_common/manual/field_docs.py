"""The fields of a model in words: type, bounds and default from its annotations, the text from its docstring.

A docstring says what a field means in a paragraph `name: text` or `name, name: text`, whose later lines are
indented.
"""

import json
import re
from inspect import cleandoc
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

_ENTRY = re.compile(r"`?([a-z_]+(?:`?, `?[a-z_]+)*)`?: (.*)")


class FieldDoc(NamedTuple):
    """One field of a model.

    path: its name, after those of the models that hold it, with dots.
    type: what it takes, in words.
    default: its default as JSON, or an empty text where it has none.
    text: what it means; empty where the docstring does not say so.
    """

    path: str
    type: str
    default: str
    text: str


class ModelDoc(NamedTuple):
    """A model: the path of the field that holds it, whether there may be several, its sentence, its fields.

    many: `[]` for a list of them, `NAME` for a mapping, else empty.
    """

    path: str
    many: str
    text: str
    fields: tuple[FieldDoc, ...]


def model_docs(model: type[msgspec.Struct]) -> list[ModelDoc]:
    """Return a model and, after it, those that its fields hold, in the order of the fields.

    A list or mapping of a model that is described already refers to that place.
    """
    return _describe(model, "", "", {})


def _describe(
    model: type[msgspec.Struct], path: str, many: str, places: dict[type[msgspec.Struct], str]
) -> list[ModelDoc]:
    if many and model in places:
        return [ModelDoc(path=path, many=many, text=f"As `{places[model]}`.", fields=())]
    places[model] = path
    sentence, texts = split_docstring(model.__doc__ or "")
    described: list[FieldDoc] = []
    inner: list[ModelDoc] = []
    info = inspect.type_info(model)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        kind, several = _model_in(field.type)
        below = f"{path}.{field.name}" if path else field.name
        if kind is not None:
            inner += _describe(kind, below, several, places)
            if not several and not texts.get(field.name):
                continue
        text = texts.get(field.name, "")
        described.append(
            FieldDoc(path=below, type=_type_words(field.type), default=_default(field), text=text)
        )
    return [ModelDoc(path=path, many=many, text=sentence, fields=tuple(described)), *inner]


def _model_in(kind: inspect.Type) -> tuple[type[msgspec.Struct] | None, str]:
    """Return the model that a field holds, and whether it holds several."""
    if isinstance(kind, inspect.UnionType):
        kinds = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
        return _model_in(kinds[0]) if len(kinds) == 1 else (None, "")
    if isinstance(kind, inspect.StructType):
        return kind.cls, ""
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return _model_in(kind.item_type)[0], "[]"
    if isinstance(kind, inspect.DictType):
        return _model_in(kind.value_type)[0], "NAME"
    return None, ""


def split_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """Return the general part of a docstring, and the text of each field that it names."""
    general: list[str] = []
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in cleandoc(docstring).split("\n"):
        entry = _ENTRY.fullmatch(line)
        if entry:
            names = [name.strip("` ") for name in entry[1].split(",")]
            texts |= dict.fromkeys(names, entry[2])
        elif names and line.startswith(" "):
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
        else:
            names = []
            general.append(line)
    return "\n".join(general).strip(), texts


def _default(field: inspect.Field) -> str:
    if field.default is not msgspec.NODEFAULT:
        return json.dumps(msgspec.to_builtins(field.default))
    if field.default_factory is not msgspec.NODEFAULT:
        return json.dumps(msgspec.to_builtins(field.default_factory()))
    return ""


def _type_words(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.UnionType):
        parts = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
        return " or ".join(map(_type_words, parts))
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(json.dumps(value) for value in kind.values)
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return f"list of {_plural(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return f"table of {_plural(kind.value_type)}"
    if isinstance(kind, inspect.StructType):
        return "table"
    if isinstance(kind, inspect.IntType):
        return "whole number" + _bounds(kind)
    if isinstance(kind, inspect.FloatType):
        return "number" + _bounds(kind)
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    return "text"


def _plural(kind: inspect.Type) -> str:
    words = _type_words(kind)
    plurals = {"text": "texts", "table": "tables", "number": "numbers", "whole number": "whole numbers"}
    return plurals.get(words, words)


def _bounds(kind: Any) -> str:
    least = kind.ge if kind.ge is not None else kind.gt
    words = "above" if kind.gt is not None else "at least"
    if least is not None and kind.le is not None:
        return f", {least:,} to {kind.le:,}"
    if kind.le is not None:
        return f", at most {kind.le:,}"
    return f", {words} {least:,}" if least is not None else ""
