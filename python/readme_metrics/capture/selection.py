"""What the rules have decided about a request, as far as the doors have to act on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from readme_metrics._core import Fate
from readme_metrics.capture import nesting

if TYPE_CHECKING:
    from readme_metrics._core import Verdict
    from readme_metrics.capture.intake import Intake

# Looked up once: each look at a member of a compiled enumeration makes it anew.
LOGGED = Fate.LOGGED
SAMPLED = Fate.SAMPLED


class SampledOut:
    """Stands in an environ or scope for the exchange that there is not: a door further in draws no lot of its own."""

    is_finished = False

    def __init__(self, intake: Intake) -> None:
        self.intake = intake

    def is_left_by(self, intake: Intake) -> bool:
        """Whether the door of this intake has made it: nobody takes it away when the request is over."""
        return self.intake is intake

    def give_request(self, *_: object) -> None:
        """The grouping function of a door further in is not asked."""


def is_left_out(intake: Intake, head: dict[str, Any], verdict: Verdict) -> bool:
    """Whether the rules leave a request out before the app is called; counts it if it was sampled out.

    Args:
        intake: Of the door.
        head: The environ or the scope.
        verdict: The rules'.
    """
    fate = verdict.fate
    if fate == LOGGED:
        return False
    if fate == SAMPLED:
        nesting.enter(head, SampledOut(intake))
        intake.join().queue.sample_one()
    return True
