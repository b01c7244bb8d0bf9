"""Drills of operations: break what the desk stands on or a part of it, and hold what people are told against that."""
