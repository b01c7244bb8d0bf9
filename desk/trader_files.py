"""Traders as a YAML file: read strictly, every bad field named by its path, and written the same way each time."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import yaml
from pydantic import ValidationError

from functions.routes.schemas import TraderId
from functions.routes.trader_schemas import TraderBody
from shared.domain.errors import NightdeskError
from shared.domain.traders import DEFINITION
from shared.validation import problem_in_words

VERSION: Final = 1
_SHORTEST: Final = {"name": "n", "rule": "r", "timeframe": "1m"}
_DEFAULTS: Final = {
    name: value
    for name, value in TraderBody.model_validate(_SHORTEST).model_dump(mode="json").items()
    if name not in _SHORTEST
}
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_UNICODE_LINE_END: Final = re.compile("[\x85\u2028\u2029]")
_EXACT_INTEGERS: Final = 2**53


class Wrong(NamedTuple):
    """A field that is wrong, and what was expected there."""

    path: str
    problem: str


class TraderFileError(NightdeskError):
    """Refuse a file of traders; `wrong` names every bad field."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        super().__init__("\n".join(f"{path}: {problem}" for path, problem in wrong))
        self.wrong = tuple(wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderEntry:
    """A trader of a file or of the desk: its id, None for one the file does not name, and its definition as JSON."""

    trader_id: str | None
    definition: dict[str, Any]

    @property
    def name(self) -> str:
        """Return what people call it."""
        return str(self.definition["name"])


class _EntryBody(TraderBody):
    trader_id: TraderId | None = None


class _Loader(yaml.SafeLoader):
    """YAML without aliases, repeated keys and dates: a text that looks like a date stays a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - a class attribute of PyYAML
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias: a few of them nested are a file of gigabytes."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not accepted", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is given twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """YAML with texts of several lines as blocks, and everything written out where it stands."""

    def ignore_aliases(self, _: Any) -> bool:
        """Repeat equal values instead of referring to the first."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write lines as a block; PyYAML folds Unicode's own line ends into spaces unless they are escaped in quotes."""
    style = '"' if _UNICODE_LINE_END.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(entries: Sequence[TraderEntry]) -> str:
    """Write traders as YAML text, in the order given."""
    return yaml.dump(to_document(entries), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)


def load(text: bytes) -> list[TraderEntry]:
    """Read traders from YAML; raise `TraderFileError` with everything that is wrong."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that accepts less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise TraderFileError([Wrong(place, error.problem or "expected YAML")]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TraderFileError([Wrong("file", f"expected YAML: {error}".splitlines()[0])]) from error
    return from_document(document)


def to_document(entries: Sequence[TraderEntry]) -> dict[str, Any]:
    """Return traders as a document of plain values, without what is at its default."""
    return {"version": VERSION, "traders": [_to_mapping(entry) for entry in entries]}


def from_document(document: object) -> list[TraderEntry]:
    """Return the traders of a document; raise `TraderFileError` with everything that is wrong."""
    if not isinstance(document, dict):
        raise TraderFileError([Wrong("file", "expected a mapping with `version` and `traders`")])
    wrong = [
        Wrong(str(key), "unknown, expected only `version` and `traders`")
        for key in document
        if key not in {"version", "traders"}
    ]
    version, traders = document.get("version"), document.get("traders")
    if version != VERSION or isinstance(version, bool):
        wrong.append(Wrong("version", f"expected {VERSION}, got {version!r}"))
    if not isinstance(traders, list):
        raise TraderFileError([*wrong, Wrong("traders", "expected a list")])
    entries = [_from_mapping(mapping, f"traders[{number}]", wrong) for number, mapping in enumerate(traders)]
    if wrong:
        raise TraderFileError(wrong)
    return [entry for entry in entries if entry is not None]


def path_of(field: str) -> str:
    """Return a field's path as files say it, `universe.include[0]`, from the API's `universe.include.0`."""
    return re.sub(r"\.([0-9]+)(?=\.|$)", r"[\1]", field)


def _to_mapping(entry: TraderEntry) -> dict[str, Any]:
    mapping = {} if entry.trader_id is None else {"trader_id": entry.trader_id}
    for name in DEFINITION:
        value, default = entry.definition[name], _DEFAULTS.get(name)
        if name == "universe":
            value = {key: _short(part) for key, part in value.items() if part != _DEFAULTS[name][key]}
            default = {}
        if value != default:
            mapping[name] = value
    return mapping


def _short(value: Any) -> Any:
    """Write a whole number without its `.0`."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS
    return int(value) if whole else value


def _from_mapping(mapping: object, path: str, wrong: list[Wrong]) -> TraderEntry | None:
    """Read one trader; add what is wrong with it to `wrong`."""
    found = list(_not_plain(mapping, path)) if isinstance(mapping, dict) else [Wrong(path, "expected a mapping")]
    if not found:
        try:
            body = _EntryBody.model_validate_json(json.dumps(mapping), strict=True)
            return TraderEntry(trader_id=body.trader_id, definition=body.model_dump(mode="json", exclude={"trader_id"}))
        except ValidationError as error:
            found = [
                Wrong(path_of(".".join((path, *map(str, problem["loc"])))), problem_in_words(problem))
                for problem in error.errors()
            ]
    wrong += found
    return None


def _not_plain(value: object, path: str) -> Iterator[Wrong]:
    """Find what JSON has no word for, bytes, sets, dates with an explicit tag, and NUL, which Postgres cannot keep."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                yield Wrong(path, f"expected texts as keys, got {key!r}")
            yield from _not_plain(part, f"{path}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _not_plain(part, f"{path}[{number}]")
    elif isinstance(value, str) and "\0" in value:
        yield Wrong(path, "expected a text without NUL")
    elif not isinstance(value, str | int | float | None):
        yield Wrong(path, f"expected a plain value, got a {type(value).__name__}")
