"""The parts of a cloud the desk needs, on one machine: each speaks the protocol of the real thing."""
