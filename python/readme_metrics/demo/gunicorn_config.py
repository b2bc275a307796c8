"""gunicorn settings of the demo. Naming a file keeps gunicorn from one in the working directory."""

from __future__ import annotations

# The control socket of gunicorn >= 25.1 would leave a file in the user's home. Earlier versions have no such option on
# their command line, but ignore a name in this file that they do not know.
control_socket_disable = True
