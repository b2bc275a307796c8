"""The published SDK's module path: `from readme_metrics.util import mask`."""

from readme_metrics._core import mask as mask
