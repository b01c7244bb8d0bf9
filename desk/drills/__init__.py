"""Drills: break something on purpose while the collector runs on a tape, then hold its log against the tape."""
