"""Rows of tables and figures: what they are called, which method each of them trains, and which of them are kin.

A row is a method, or a method with options that make it another one. MUSIC stands twice in every table, because the
paper's excerpt prints no equation: *entropies alone* (invariance weight 0) is what its words say, "an entropy-based
loss function based on the empirical joint probability distribution"; *with invariance* (weight 1) is the loss of the
authors' follow-up code (IMSVD, arXiv 2501.03469).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Names(dict[str, str]):
    """Row -> its name. A row from outside (a dotted path, or a label of the caller's own) is its own name."""

    def __missing__(self, row: str) -> str:
        return row


REFERENCE = {"pixels": "raw pixels", "random": "random encoder", "supervised": "supervised"}
NAMES = Names(
    {
        "music_entropies": "MUSIC, entropies alone",
        "music": "MUSIC with invariance",
        "simclr": "SimCLR",
        "moco": "MoCo",
        "byol": "BYOL",
        "simsiam": "SimSiam",
        "deepcluster": "DeepCluster",
        "sela": "SeLa",
        "swav": "SwAV",
        "wmse": "W-MSE",
        "barlow_twins": "Barlow Twins",
        "vicreg": "VICReg",
        **REFERENCE,
    }
)
VARIANTS: dict[str, dict[str, Any]] = {"music_entropies": {"method": "music", "options": {"invariance_weight": 0.0}}}
"""Rows that are a method with options of their own: row -> method and options. Every other row is the method of its
name."""

MUSIC = ("music_entropies", "music")
"""The rows of the paper's method."""

FAMILIES = {
    "informational coding": ("music_entropies", "music"),
    "negative samples": ("simclr", "moco"),
    "asymmetric networks": ("byol", "simsiam"),
    "clustering": ("deepcluster", "sela", "swav"),
    "decorrelation": ("wmse", "barlow_twins", "vicreg"),
    "outside": (),
    "reference": (*REFERENCE, "scratch"),
}
"""How each method keeps from collapsing; figures colour by it. Rows that nobody here has named come from outside."""


def method_of(row: str, method: str | None = None, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """{"method", "options"} that a row trains: those of a variant, else the method of its name. method: of a row with a
    label of its own. options: chosen for the row; a variant keeps those that make it one."""
    variant = VARIANTS.get(row, {"method": method or row, "options": {}})
    return {"method": variant["method"], "options": {**(options or {}), **variant["options"]}}


def row_of(method: str, options: Mapping[str, Any] | None = None) -> str:
    """The row that a run with these options belongs to: a variant where all of its options are met, else `method`."""
    for row, variant in VARIANTS.items():
        if variant["method"] == method and variant["options"].items() <= dict(options or {}).items():
            return row
    return method


def family(row: str) -> str:
    """The family of a row; 'outside' for dotted paths and for labels of the caller's own."""
    return next((name for name, members in FAMILIES.items() if row in members), "outside")
