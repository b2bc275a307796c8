"""Serves requests while a POST hangs. `early` patches before anything else is imported, `late` afterwards.

Makes one request for each line of its standard input, and ends with that input.
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

with FileObjectPosix(0, "rb") as lines:  # read by the hub: a blocked hub would not see them
    for line in lines:
        print(wsgi.call(middleware).status, line.decode().strip(), flush=True)
