"""A stand-in for ReadMe's Metrics server, used by the commands and the tests."""

from readme_metrics.collector.collector import Collector
from readme_metrics.collector.post import HANG, RESET, Answer, Log, Post

__all__ = ["HANG", "RESET", "Answer", "Collector", "Log", "Post"]
