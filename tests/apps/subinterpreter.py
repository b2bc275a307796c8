"""Serves a request in each of two sub-interpreters, as mod_wsgi does for two apps; writes the ids that clients got."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 13):
    import _interpreters as interpreters

    def create() -> Any:
        return interpreters.create("legacy")
else:
    import _xxsubinterpreters as interpreters

    def create() -> Any:
        return interpreters.create(isolated=False)


SCRIPT = f"""
import sys
sys.path[:] = {sys.path!r}
import wsgi
middleware = wsgi.make()
url = wsgi.call(middleware).header("x-documentation-url")
print(url.rpartition("/")[2], flush=True)
import atexit
atexit._run_exitfuncs()  # mod_wsgi does so before it ends an interpreter
"""

for _ in range(2):
    interpreter = create()
    error = interpreters.run_string(interpreter, SCRIPT)
    assert error is None, error
    interpreters.destroy(interpreter)
