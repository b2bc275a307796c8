"""A Flask app that adds the middleware as an app written for readme-metrics 3.4.0 does."""

import os

from flask import Flask, request

from readme_metrics import MetricsApiConfig
from readme_metrics.flask_readme import ReadMeMetrics

app = Flask(__name__)


def grouping_function(_: object) -> dict[str, str]:
    return {"api_key": "owlbert-api-key", "label": "Owlbert", "email": "owlbert@example.com"}


extension = ReadMeMetrics(
    MetricsApiConfig(
        api_key=os.getenv("README_API_KEY"),
        grouping_function=grouping_function,
        background_worker_mode=False,
        buffer_length=1,
        timeout=5,
    )
)
extension.init_app(app)


@app.get("/")
def root() -> dict[str, str]:
    return {"message": "hello world"}


@app.post("/")
def post() -> dict[str, int]:
    return {"bytes": len(request.get_data())}


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
