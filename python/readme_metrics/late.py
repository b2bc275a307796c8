"""`LOADING`: held while a module is loaded by the first who needs it, and while the process forks.

The import system has a lock for each module. If a thread holds one while another forks, nobody is left in the child to
release it, and whoever needs the module there waits for ever. Forks of the app must not become dangerous by our loading
modules late: they wait for us, once, for as long as that takes.
"""

from __future__ import annotations

import os
import threading

#: Re-entrant: what is loaded may fork as well.
LOADING = threading.RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release)
