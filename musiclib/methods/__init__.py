"""The eleven methods by name: MUSIC and the ten systems that the paper compares it with, one file each.

A file holds the loss as a function, the method's options and the method, which is `Method.embed` plus that loss; all
are written from the equations of their papers. `base` says what the training loop knows of a method, `parts` holds
what several of them share, and `supervised` is the reference row that sees labels. `METHODS` maps a name to (method
class, options class); `musiclib.config.build` makes options from a plain dictionary.
"""

from __future__ import annotations

from musiclib.methods.barlow_twins import BarlowTwins, BarlowTwinsOptions, barlow_twins_loss
from musiclib.methods.base import Method
from musiclib.methods.byol import BYOL, BYOLOptions, byol_loss
from musiclib.methods.deepcluster import DeepCluster, DeepClusterOptions, deepcluster_loss
from musiclib.methods.moco import MoCo, MoCoOptions, moco_loss
from musiclib.methods.music import Music, MusicOptions
from musiclib.methods.sela import SeLa, SeLaOptions, sela_loss
from musiclib.methods.simclr import SimCLR, SimCLROptions, simclr_loss
from musiclib.methods.simsiam import SimSiam, SimSiamOptions, simsiam_loss
from musiclib.methods.swav import SwAV, SwAVOptions, swav_loss
from musiclib.methods.vicreg import VICReg, VICRegOptions, vicreg_loss
from musiclib.methods.wmse import WMSE, WMSEOptions, wmse_loss

METHODS: dict[str, tuple[type[Method], type]] = {
    "music": (Music, MusicOptions),
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
