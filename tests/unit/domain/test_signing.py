"""A machine proves itself by a signature over time and body; anything else is refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.signing import MAX_AGE_MS, SIGNATURE_HEADER, TIMESTAMP_HEADER, SignatureError, sign, verify

NOW = 1_700_000_000_000
SECRET = "a secret"


@given(st.text(), st.integers(-MAX_AGE_MS, MAX_AGE_MS))
def test_a_fresh_signature_over_the_same_body_is_accepted(body: str, age_ms: int) -> None:
    verify(SECRET, headers=sign(SECRET, timestamp_ms=NOW - age_ms, body=body), body=body, now_ms=NOW)


@given(st.text(), st.text())
def test_another_body_or_secret_is_refused(body: str, other: str) -> None:
    headers = sign(SECRET, timestamp_ms=NOW, body=body)
    if other != body:
        with pytest.raises(SignatureError, match="wrong signature"):
            verify(SECRET, headers=headers, body=other, now_ms=NOW)
    if other != SECRET:
        with pytest.raises(SignatureError, match="wrong signature"):
            verify(other, headers=headers, body=body, now_ms=NOW)


@pytest.mark.parametrize("age_ms", [MAX_AGE_MS + 1, -MAX_AGE_MS - 1])
def test_a_stale_signature_is_refused(age_ms: int) -> None:
    with pytest.raises(SignatureError, match="stale"):
        verify(SECRET, headers=sign(SECRET, timestamp_ms=NOW - age_ms, body="{}"), body="{}", now_ms=NOW)


@pytest.mark.parametrize("stamp", ["", "soon", "-5", "1e9", "٣", "9" * 40])
def test_a_malformed_timestamp_is_refused(stamp: str) -> None:
    headers = sign(SECRET, timestamp_ms=NOW, body="{}") | {TIMESTAMP_HEADER: stamp}
    with pytest.raises(SignatureError, match=TIMESTAMP_HEADER):
        verify(SECRET, headers=headers, body="{}", now_ms=NOW)


def test_an_unset_secret_accepts_nobody() -> None:
    with pytest.raises(SignatureError):
        verify("", headers=sign("", timestamp_ms=NOW, body="{}"), body="{}", now_ms=NOW)


def test_the_timestamp_is_part_of_what_is_signed() -> None:
    headers = sign(SECRET, timestamp_ms=NOW - MAX_AGE_MS * 2, body="{}") | {TIMESTAMP_HEADER: str(NOW)}
    with pytest.raises(SignatureError, match=SIGNATURE_HEADER):
        verify(SECRET, headers=headers, body="{}", now_ms=NOW)
