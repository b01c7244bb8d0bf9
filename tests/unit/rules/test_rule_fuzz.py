"""A hundred thousand random and mutated rules: each compiles or is refused, quickly, and names only what is known."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from shared.domain.builtins import BUILTINS
from shared.domain.rules import Rule, RuleError, compile_rule, reference
from shared.domain.rules.registry import CROSSES, FORMS, FUNCTIONS, SERIES

TEXTS: Final = 100_000
SLOWEST_S: Final = 0.05  # of processor time: how long a busy machine waits says nothing about the compiler

Mutation = Callable[[random.Random, str, list[str]], str]
TOKEN: Final = re.compile(r"[A-Za-z_]\w*|\d+\.?\d*|\"[^\"]*\"|\S")
NAME: Final = re.compile(r"[A-Za-z_]\w*")
NO_NAME: Final = re.compile(r"\"[^\"]*\"|\b\d[\d.]*(?:e[+-]?\d+)?")
WORDS: Final = (
    *SERIES,
    *FUNCTIONS,
    *CROSSES,
    *FORMS,
    "and",
    "or",
    "not",
    "True",
    "None",
    "lambda",
    "__class__",
    "eval",
)
MARKS: Final = (
    *"()[]<>=!.,+-*/%\"'{}:;@\\`~^&|#_ \t\n\0",
    "==",
    "**",
    "//",
    "<=",
    "é",
    "\u202e",
    "\U0001d7d9",
    "1e999",
    "0x1f",
)


def corpus() -> list[str]:
    """Return rules that compile: the built-in traders' and one for every word."""
    rules = [trader.rule for trader in BUILTINS]
    rules += [entry.example for entry in reference() if entry.gives == "condition"]
    rules += [f"{entry.example} > 0.5" for entry in reference() if entry.example and entry.gives == "number"]
    return [*rules, 'on("1h", of("BTC/USDT", ha(close > ema(9)[2])))', "not (1 < rsi(7) <= 60 or close != -open)"]


def _replace_token(r: random.Random, text: str, _: list[str]) -> str:
    tokens: list[str] = TOKEN.findall(text) or [""]
    tokens[r.randrange(len(tokens))] = r.choice((*WORDS, *MARKS, str(r.randint(-5, 10**6))))
    return " ".join(tokens)


def _drop(r: random.Random, text: str, _: list[str]) -> str:
    start = r.randrange(len(text) + 1)
    return text[:start] + text[start + r.randint(1, 6) :]


def _insert(r: random.Random, text: str, _: list[str]) -> str:
    place = r.randrange(len(text) + 1)
    return f"{text[:place]}{r.choice((*WORDS, *MARKS))}{text[place:]}"


def _splice(r: random.Random, text: str, rules: list[str]) -> str:
    other = r.choice(rules)
    return text[: r.randrange(len(text) + 1)] + other[r.randrange(len(other) + 1) :]


def _nest(r: random.Random, text: str, _: list[str]) -> str:
    around = r.choice(("(", "not (", "ema(", "-(", 'on("1h", ', "rank(", "sma(sma(", "count("))
    depth = r.choice((1, 2, 5, 30, 200))
    return around * depth + text + ")" * (around.count("(") * depth)


def _join(r: random.Random, text: str, rules: list[str]) -> str:
    return f" {r.choice(('and', 'or', '<', '+', ','))} ".join([text, *r.sample(rules, r.choice((1, 2, 8)))])


def _noise(r: random.Random, _: str, __: list[str]) -> str:
    return "".join(r.choice((*WORDS, *MARKS, "1", "0.5")) for _ in range(r.randint(0, 40)))


MUTATIONS: Final[tuple[Mutation, ...]] = (_replace_token, _drop, _insert, _splice, _nest, _join, _noise)


def mutants(seed: int) -> Iterator[str]:
    """Yield mutants of rules and of mutants."""
    r, rules = random.Random(seed), corpus()
    text = rules[0]
    for _ in range(TEXTS):
        text = r.choice(rules) if r.random() < 0.4 or len(text) > 3_000 else text
        text = r.choice(MUTATIONS)(r, text, rules)
        yield text


def compiled(text: str) -> Rule | None:
    """Compile a text anew, None when it is refused; what is slow three times running is slow."""
    for _ in range(3):
        started = time.thread_time()
        rule = None
        with suppress(RuleError):
            rule = compile_rule.__wrapped__(text)
        if time.thread_time() - started < SLOWEST_S:
            return rule
    raise AssertionError(f"takes more than {SLOWEST_S} s: {text}")


def test_any_text_compiles_or_is_refused_quickly_and_reaches_no_other_name() -> None:
    known = {*SERIES, *FUNCTIONS, *CROSSES, *FORMS, "and", "or", "not"}
    known |= {output for function in FUNCTIONS.values() for output in function.outputs}
    rules = 0
    for text in mutants(seed=20_240_101):
        rule = compiled(text)
        if rule is None:
            continue
        rules += 1
        names = NAME.findall(NO_NAME.sub("", rule.normal_form))
        assert known.issuperset(names), text
        again = compile_rule.__wrapped__(rule.normal_form)
        assert (again.normal_form, again.rule_hash) == (rule.normal_form, rule.rule_hash), text
    assert TEXTS / 50 < rules < TEXTS / 2  # both sides are tried


def test_every_rule_of_the_corpus_compiles() -> None:
    for text in corpus():
        compile_rule(text)
