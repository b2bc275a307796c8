"""The relay: logs wait in a Redis stream, and `readme-metrics relay` posts them to ReadMe."""
