"""A Django project written for readme-metrics 3.4.0, under Django's own server or, with SERVER_TYPE=asgi, uvicorn."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    if os.getenv("SERVER_TYPE") == "asgi":
        import uvicorn

        uvicorn.run("shop.asgi:application", host="127.0.0.1", port=int(os.environ["PORT"]), lifespan="off")
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line([*sys.argv, os.environ["PORT"]])
