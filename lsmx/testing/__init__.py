"""What it takes to show that two computations are equal: inputs that are the same everywhere, bit patterns, digests."""

from lsmx._backend import DIRECTIONS
from lsmx.testing.bits import bits, combined, differing, digest, quantise, ulp_error
from lsmx.testing.inputs import Case, cases, logits_cases
from lsmx.testing.tasks import Target, evaluate, host_target, target, wanted

__all__ = [
    "DIRECTIONS",
    "Case",
    "Target",
    "bits",
    "cases",
    "combined",
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
