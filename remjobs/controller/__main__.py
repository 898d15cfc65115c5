"""The controller process: ``python -m remjobs.controller HOME LISTENER LOCK``.

Started by lifecycle.py only, which hands over a listening socket and the lock.
"""

import os
import sys


def _detach(kept: set[int]) -> None:
    """Leave the starter's session, folder and descriptors, and be nobody's child."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    first = 3
    for descriptor in [*sorted(kept), os.sysconf("SC_OPEN_MAX")]:
        os.closerange(first, descriptor)
        first = descriptor + 1


if __name__ == "__main__":
    if len(sys.argv) != len(("program", "home", "listener", "lock")):
        sys.exit("remjobs: the controller is started by `remjobs controller start`")
    home, listener, lock = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _detach({listener, lock})
    # Imported only now: the starter waits for the fork above.
    from remjobs.controller.server import main

    main(home, listener, lock)
