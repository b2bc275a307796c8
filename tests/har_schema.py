"""The JSON schema of HAR 1.2, which every log must match."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

SCHEMA = json.loads(Path(__file__).with_name("har-1.2.schema.json").read_text())
#: Made once, so that the schema is not checked for each log.
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
