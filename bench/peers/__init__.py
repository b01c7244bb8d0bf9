"""Other people's collectors on the frames of ours; runs in an environment of its own, see `make bench`."""
