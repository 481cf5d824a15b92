"""``lsmx.testing.compare_distributions``, and what is compared of stored runs and saved arrays in the shell."""

from __future__ import annotations

from tests.errors.case import Topic, cases
from tests.errors.of_commands import lines

SIDES = cases("""
    ArgumentError    testing.compare_distributions(z, z, i, rows="probs")
    ArgumentError    testing.compare_distributions(-g, -g, i, temperature=2.0)
    ShapeError       testing.compare_distributions(z, z[:, :2], i * 0)
    DTypeError       testing.compare_distributions(z, z, g)
    DTypeError       testing.compare_distributions(z, z, i, where=i)
    ShapeError       testing.compare_distributions(z, z, i, where=np.asarray([True]))
    ShapeError       testing.compare_distributions(z, z.T, i)
    ClassError       testing.compare_distributions(z, z, i + 2)
    ArgumentError    testing.compare_distributions(g, g)
    ShapeError       testing.compare_distributions(z, z, i, temperature=np.ones(3))
""")

ARRAYS = lines("""
    verify --compare z.npy torch
    verify --compare numpy torch --tokens i.npy
    verify --compare z.npy z.npy --logits z.npy
    verify --compare z.npy z.npy
""")

RUNS = lines("""
    bench --fail-above 5
    bench --compare none.json run.json
    bench --compare text.json run.json
    bench --compare other.json run.json
    bench --compare medians.json run.json
    bench --compare run.json another_machine.json
    bench --compare run.json another_work.json
""")

TOPICS = (
    Topic("lsmx.testing.compare_distributions", SIDES),
    Topic("lsmx verify --compare of saved arrays", ARRAYS),
    Topic("lsmx bench --compare", RUNS),
)
