"""The checks of `readme-metrics doctor`, one for each link of the way that a log takes."""
