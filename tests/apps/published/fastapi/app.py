"""A FastAPI app that adds the middleware as an app written for readme-metrics 3.4.0 does."""

import os

from fastapi import FastAPI, Request

from readme_metrics import MetricsApiConfig
from readme_metrics.fastapi import ReadMeMetricsMiddleware

app = FastAPI()


def grouping_function(_: object) -> dict[str, str]:
    return {"api_key": "owlbert-api-key", "label": "Owlbert", "email": "owlbert@example.com"}


config = MetricsApiConfig(
    api_key=os.getenv("README_API_KEY"),
    grouping_function=grouping_function,
    background_worker_mode=False,
    buffer_length=1,
    timeout=5,
)
app.add_middleware(ReadMeMetricsMiddleware, config=config)


@app.get("/")
def root() -> dict[str, str]:
    return {"message": "hello world"}


@app.post("/")
async def post(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}
