"""What it takes to show that two computations are equal: inputs that are the same everywhere, bit patterns, digests.

And `diagnose`, for somebody's own gradient, and `compare_distributions`, for a server's log-probs beside a trainer's.
"""

from lsmx.extend import DIRECTIONS
from lsmx.testing.bits import bits, combined, differing, digest, quantise, ulp_error
from lsmx.testing.comparison import DistributionComparison
from lsmx.testing.diagnosis import diagnose
from lsmx.testing.distributions import compare_distributions
from lsmx.testing.inputs import Case, cases, logits_cases
from lsmx.testing.tasks import Target, evaluate, host_target, target, wanted
from lsmx.testing.verdict import Diagnosis

__all__ = [
    "DIRECTIONS",
    "Case",
    "Diagnosis",
    "DistributionComparison",
    "Target",
    "bits",
    "cases",
    "combined",
    "compare_distributions",
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
