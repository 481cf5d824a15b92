"""Command lines."""

from __future__ import annotations

from tests.errors.case import Case, Topic

VARYING = (
    (r"\(choose from .*?\)", "(choose from ⟨what Python lists⟩)"),
    (r"(?<=not JSON: )[^;]*", "⟨what Python says⟩"),
    (r"(?<=of the kind 'psd'; there are ).*", "⟨what matplotlib writes⟩"),
    (r"(?<=the groups are: ).*", "⟨their names⟩"),
    (r"(?<=is unknown; there are numpy, torch, jax, ).*(?=, and a device after any)", "..."),
    (r"(?<=zarr can read \().*(?=\);)", "⟨what zarr says⟩"),
)
"""What changes with the versions of others."""


def lines(text: str) -> tuple[Case, ...]:
    """Command lines that end with 2."""
    return tuple(Case(f"lsmx {line.strip()}", "exit code 2", VARYING) for line in text.strip().splitlines())


WORDS = lines("""
    aply
    bench --turns 0
    apply nothing z.npy o.npy
    apply token_stats z.npy o.npy
    apply log_softmax z.npy o.npy --axis x
    apply log_softmax z.npy o.npy --dtype int8
    apply entropy z.npy o.npy --softcap x
    apply entropy z.npy o.npy --temperature 0
    apply log_softmax z.npy o.npy --softcap 3
    apply log_softmax z.npy o.npy --axis 2
    apply log_prob z.npy o.npy
    apply log_prob z.npy o.npy --with i.npy
    apply log_prob z.npy o.npy --with target=i.npy
    apply log_softmax z.npy o.npy --with index=i.npy
    apply log_prob z.npy o.npy --with index=i.npy --with index=i.npy
    apply log_prob z.npy o.npy --with index=i.npy --axis 0
    apply log_prob z.npy o.npy --with index=k.npy
    apply log_prob z.npy o.npy --with index=far.npy
    apply log_softmax z.npy o.npy --scheduler here
    apply log_softmax z.npy ..
    apply log_softmax z.npy full.zarr --overwrite
    info --json=
    digest z.npy --json z.npy
    bench losses --device cuda
    bench --device cuda --threads 2
    bench --compare before.json before.json --threads 2 --plot o.png
    bench --compare before.json before.json --fail-above nan
    bench --only nothing-called-so
    bench --plot o.psd
""")

FILES = lines("""
    digest none.npy
    digest folder
    digest text.npy
    digest nothing.npy
    digest z.npz
    digest header.npy
    digest cut.npy
    digest objects.npy
    digest bytes.npy
    digest dates.npy
    digest none.zarr
    digest group.zarr
    digest pipe.npy
    verify --logits complex.npy
    verify --logits scalar.npy
    verify --logits empty_rows.npy
    info --json folder
    info --json no/o.json
    apply log_softmax z.npy no/o.npy
    apply log_softmax z.npy o.txt
    apply log_softmax z.npy z.npy --overwrite
    apply log_softmax z.npy taken.npy
    apply log_softmax z.npy busy.npy
    apply log_softmax z.npy o.zarr --dtype bfloat16
""")

COMPARED = lines("""
    verify --compare nump torch
    verify --compare numpy/fast torch
    verify --compare numpy- torch
    verify --compare torch:int8 numpy
    verify --compare numpy:bfloat16 torch
    verify --compare torch:bfloat16 numpy
    verify --compare text.json a.json
    verify --compare other.json a.json
    verify --compare folder.json a.json
    verify --compare old.json a.json
    verify --compare b.json a.json
    verify --compare a.json a.json --logits z.npy
""")

TOPICS = (
    Topic("command lines", WORDS),
    Topic("files", FILES, "Each ends with code 2 and one line, and writes nothing."),
    Topic("lsmx verify --compare", COMPARED),
)
