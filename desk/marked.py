"""Parts of pages for people that are made from the code: what stands between two marks."""


def between(text: str, begin: str, end: str, made: str) -> str:
    """Return a text with what stands between two marks made anew; raise `ValueError` when a mark is missing."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no {begin.strip() if not found else end.strip()}")
    return f"{before}{begin}{made}{end}{after}"
