"""Look for keys and passwords in what git tracks; what is known to be none is listed in .secrets.baseline."""
