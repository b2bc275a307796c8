"""A stand-in for ReadMe's Metrics server, for the commands and for tests."""

from readme_metrics.collector.collector import Collector
from readme_metrics.collector.post import HANG, RESET, Answer, Log, Post

__all__ = ["HANG", "RESET", "Answer", "Collector", "Log", "Post"]
