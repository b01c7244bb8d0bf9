"""Drills of trading: break the venue or the desk between a signal and its position, then hold the ledger against the
venue's own books."""
