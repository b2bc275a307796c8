"""The README's code runs, and its table says what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import wsgi
from readme_metrics import MetricsApiConfig

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_integration_runs_as_printed() -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    app = SimpleNamespace(wsgi_app=wsgi.app)
    exec(code, {"app": app})
    assert wsgi.call(app.wsgi_app).status == "200 OK"


def test_the_options_table_is_complete_and_shows_the_defaults() -> None:
    table = README.partition("| option | default | what it does |")[2].partition("\n\n")[0]
    rows = {
        name.strip(" `"): default.strip(" `")
        for names, default in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|", table, re.MULTILINE)
        for name in names.split(",")
    }
    parameters = inspect.signature(MetricsApiConfig).parameters
    assert list(rows) == list(parameters)
    for name, parameter in parameters.items():
        default = "required" if parameter.default is parameter.empty else str(parameter.default)
        if rows[name].endswith("MiB"):
            default = f"{parameter.default // 2**20} MiB"
        assert rows[name] == default, name
