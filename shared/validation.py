"""What is wrong with a value, in the desk's words rather than pydantic's."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.domain.errors import InvalidMessageError

_EXPECTED: Final[Mapping[str, str]] = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "string_type": "expected a text",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "decimal_type": "expected a number",
    "decimal_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected names with values",
    "model_type": "expected names with values",
    "model_attributes_type": "expected names with values, as application/json",
    "dataclass_type": "expected names with values",
}
_FORMS: Final[Mapping[str, str]] = {
    r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$": "expected a UUID",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "expected a time of the day such as 22:00",
    r"^(UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$": "expected a time zone such as Europe/Berlin",
    r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?$": "expected a symbol such as BTC/USDT",
}
_SHOULD: Final = re.compile(r"^(Input|String|List|Dictionary|Value|Data|Decimal input) should (be|have) (a valid )?")


def problem_in_words(error: Mapping[str, Any]) -> str:
    """Say what is wrong by one of pydantic's error details; what the desk's own validators say stays as it is."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "value_error":
        said = context.get("error")
        return said.problem if isinstance(said, InvalidMessageError) else str(said)
    if kind == "string_pattern_mismatch":
        return _FORMS.get(str(context["pattern"]), f"expected a text of the form {context['pattern']}")
    return _SHOULD.sub("expected ", str(error["msg"]))
