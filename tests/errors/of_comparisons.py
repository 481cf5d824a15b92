"""What a server and a trainer computed, and what two runs of a benchmark measured."""

from __future__ import annotations

from tests.errors.case import Topic, cases
from tests.errors.of_commands import lines

DISTRIBUTIONS = cases("""
    ArrayTypeError    testing.compare_distributions(-g, None)
    ArgumentError     testing.compare_distributions(z, z)
    ArgumentError     testing.compare_distributions(z, z, i, rows="probs")
    ArgumentError     testing.compare_distributions(-g, -g, temperature=0.7)
    ShapeError        testing.compare_distributions(-g, -g[:1])
    ShapeError        testing.compare_distributions(z, z.T, i)
    ShapeError        testing.compare_distributions(z, z[:, :2], np.asarray([0, 1]))
    DTypeError        testing.compare_distributions(z, z, g)
    ClassError        testing.compare_distributions(z, z, np.asarray([0, 3]))
    DTypeError        testing.compare_distributions(z, z, i, where=i)
    ShapeError        testing.compare_distributions(z, z, i, where=np.asarray([True]))
    ShapeError        testing.compare_distributions(z, z, i, temperature=np.ones(3))
    ShapeError        testing.compare_distributions(z[:, :0], z[:, :0], i)
    DTypeError        testing.compare_distributions(z.astype(np.uint16), z, i)
    ArrayTypeError    testing.compare_distributions(t.to("meta"), z, i)
""")

ARRAYS = lines("""
    verify --compare z.npy numpy
    verify --compare z.npy none.npy
    verify --compare z.npz z.npz
    verify --compare empty_rows.npy empty_rows.npy
    verify --compare numpy torch --tokens i.npy
    verify --compare z.npy z.npy --logits z.npy
    verify --compare z.npy z.npy
    verify --compare z.npy k.npy --tokens i.npy
    verify --compare z.npy z.npy --tokens far.npy
    verify --compare z.npy z.npy --tokens i.npy --mask z.npy
    verify --compare z.npy z.npy --tokens i.npy --mask i.npy
    verify --compare z.npy z.npy --tokens i.npy --temperature 0
""")

RUNS = lines("""
    bench --anyway
    bench --compare none.json before.json
    bench --compare text.json before.json
    bench --compare before.json other.json
    bench --compare before.json medians.json
    bench --compare before.json elsewhere.json
    bench --compare before.json works.json
    bench --compare before.json before.json --only nothing-called-so
""")

TOPICS = (
    Topic("testing.compare_distributions", DISTRIBUTIONS),
    Topic("lsmx verify --compare, of two arrays", ARRAYS),
    Topic("lsmx bench --compare", RUNS),
)
