"""The venues the collector knows: one module each, the only place of a venue's wire names, and a line in `registry`."""
