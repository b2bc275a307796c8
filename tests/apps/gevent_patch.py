"""Serves requests beside a POST that hangs; `early` patches before anything else is imported, `late` afterwards.

Ends by itself once the requests that its standard input orders have been answered.
"""

from __future__ import annotations

import sys

from gevent import monkey
from gevent.fileobject import FileObjectPosix

if sys.argv[1] == "early":
    monkey.patch_all()

import wsgi

middleware = wsgi.make()
if sys.argv[1] == "late":
    monkey.patch_all()

with FileObjectPosix(0, "rb") as orders:  # read by the hub: a blocked one would not see them
    for line in orders:
        print(wsgi.call(middleware).status, line.decode().strip(), flush=True)
