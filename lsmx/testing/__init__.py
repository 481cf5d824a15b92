"""What it takes to show that two computations are equal: inputs that are the same everywhere, bit patterns, digests.

And `diagnose`, for somebody's own gradient.
"""

from lsmx.extend import DIRECTIONS
from lsmx.testing.bits import bits, combined, differing, digest, quantise, ulp_error
from lsmx.testing.diagnosis import diagnose
from lsmx.testing.inputs import Case, cases, logits_cases
from lsmx.testing.tasks import Target, evaluate, host_target, target, wanted
from lsmx.testing.verdict import Diagnosis

__all__ = [
    "DIRECTIONS",
    "Case",
    "Diagnosis",
    "Target",
    "bits",
    "cases",
    "combined",
    "diagnose",
    "differing",
    "digest",
    "evaluate",
    "host_target",
    "logits_cases",
    "quantise",
    "target",
    "ulp_error",
    "wanted",
]
