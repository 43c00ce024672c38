"""What methods and reference rows are called in tables and figures, and which of them are kin."""

from __future__ import annotations

REFERENCE = {"pixels": "raw pixels", "random": "random encoder", "supervised": "supervised"}
NAMES = {
    "music": "MUSIC",
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
FAMILIES = {
    "informational coding": ("music",),
    "negative samples": ("simclr", "moco"),
    "asymmetric networks": ("byol", "simsiam"),
    "clustering": ("deepcluster", "sela", "swav"),
    "decorrelation": ("wmse", "barlow_twins", "vicreg"),
    "reference": tuple(REFERENCE),
}
"""How each method keeps from collapsing; figures colour by it."""


def family(row: str) -> str:
    """The family of a row; 'reference' for names that are no method."""
    return next((name for name, members in FAMILIES.items() if row in members), "reference")
