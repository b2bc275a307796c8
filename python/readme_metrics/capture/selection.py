"""How the doors act on a verdict of the rules before the app is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from readme_metrics._core import Fate
from readme_metrics.capture import nesting

if TYPE_CHECKING:
    from readme_metrics._core import Verdict
    from readme_metrics.capture.intake import Intake

# Loaded once: each access to a member of a compiled enumeration makes a new object.
LOGGED = Fate.LOGGED
SAMPLED = Fate.SAMPLED


class SampledOut:
    """Left in an environ or scope for a request that was sampled out, so that a door further inside does not log it."""

    is_finished = False

    def __init__(self, intake: Intake) -> None:
        self.intake = intake

    def is_left_by(self, intake: Intake) -> bool:
        """Whether the door of `intake` has left this mark, which is not removed when the request is over."""
        return self.intake is intake

    def give_request(self, *_: object) -> None:
        """Ignores the request of a door further inside, whose grouping function is not called."""


def is_left_out(intake: Intake, head: dict[str, Any], verdict: Verdict) -> bool:
    """Whether the rules leave a request out before the app is called; counts it if it was sampled out.

    Args:
        intake: The intake of the door.
        head: The environ or the scope.
        verdict: The verdict of the rules.
    """
    fate = verdict.fate
    if fate == LOGGED:
        return False
    if fate == SAMPLED:
        nesting.enter(head, SampledOut(intake))
        intake.join().queue.sample_one()
    return True
