"""The ten methods that MUSIC is compared with, each in one file: the loss as a function, its options, the method.

All are written from the equations of their papers. Shared parts: `sinkhorn`, `momentum`, `queue`, `memory`, `kmeans`,
`prototypes`, `numerics`. `METHODS` maps a name to (method class, options class); `musiclib.config.build` makes options
from a plain dictionary.
"""

from __future__ import annotations

from musiclib.baselines.barlow_twins import BarlowTwins, BarlowTwinsOptions, barlow_twins_loss
from musiclib.baselines.byol import BYOL, BYOLOptions, byol_loss
from musiclib.baselines.deepcluster import DeepCluster, DeepClusterOptions, deepcluster_loss
from musiclib.baselines.moco import MoCo, MoCoOptions, moco_loss
from musiclib.baselines.sela import SeLa, SeLaOptions, sela_loss
from musiclib.baselines.simclr import SimCLR, SimCLROptions, simclr_loss
from musiclib.baselines.simsiam import SimSiam, SimSiamOptions, simsiam_loss
from musiclib.baselines.swav import SwAV, SwAVOptions, swav_loss
from musiclib.baselines.vicreg import VICReg, VICRegOptions, vicreg_loss
from musiclib.baselines.wmse import WMSE, WMSEOptions, wmse_loss
from musiclib.method import Method

METHODS: dict[str, tuple[type[Method], type]] = {
    "simclr": (SimCLR, SimCLROptions),
    "moco": (MoCo, MoCoOptions),
    "byol": (BYOL, BYOLOptions),
    "simsiam": (SimSiam, SimSiamOptions),
    "deepcluster": (DeepCluster, DeepClusterOptions),
    "sela": (SeLa, SeLaOptions),
    "swav": (SwAV, SwAVOptions),
    "wmse": (WMSE, WMSEOptions),
    "barlow_twins": (BarlowTwins, BarlowTwinsOptions),
    "vicreg": (VICReg, VICRegOptions),
}

__all__ = [
    "METHODS",
    "barlow_twins_loss",
    "byol_loss",
    "deepcluster_loss",
    "moco_loss",
    "sela_loss",
    "simclr_loss",
    "simsiam_loss",
    "swav_loss",
    "vicreg_loss",
    "wmse_loss",
]
