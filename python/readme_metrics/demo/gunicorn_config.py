"""gunicorn's settings in the demo. Since this file is named, gunicorn reads none from the working directory."""

from __future__ import annotations

# The control socket of gunicorn >= 25.1 would leave a file in the user's home. The setting stands here and not on the
# command line, since earlier versions ignore an unknown name in this file.
control_socket_disable = True
