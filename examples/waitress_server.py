"""waitress, which is started from Python: `python waitress_server.py`."""

from __future__ import annotations

import sys

from plain_app import application
from waitress import serve

serve(application, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
