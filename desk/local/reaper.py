"""Kill process groups when the process that started them is gone.

Run as a script beside a desk: it is told the groups over its standard input (`+pgid`, `-pgid`, one a line), and the end
of that input means that the desk has ended, however it ended, `kill -9` included. This works on every POSIX system;
Linux's PR_SET_PDEATHSIG does not do here, because it fires when the *thread* that started a child ends.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_S = 1.0


def main() -> None:
    """Follow the list of groups on standard input, and end those that are left when it closes."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for kill, pause in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 0.0)):
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, kill)
        if groups:
            time.sleep(pause)


if __name__ == "__main__":
    main()
