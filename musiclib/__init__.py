"""MUSIC: multi-segmental informational coding for self-supervised representation learning.

    from musiclib import MusicLoss
    loss = MusicLoss(segments=32)(z1, z2)      # z1, z2: logits (N, 32 * K) of two views of the same N samples

The rest of the public face are the parts that the loss is made of. Letters: N samples, S segments, K units a
segment, D = S * K.
"""

from musiclib import information
from musiclib.coding import hard_codes, segment_softmax
from musiclib.joint import joint_distribution
from musiclib.objective import MusicLoss, Terms, code_terms, lower_bound, music_terms

__version__ = "0.1.0"
__all__ = [
    "MusicLoss",
    "Terms",
    "code_terms",
    "hard_codes",
    "information",
    "joint_distribution",
    "lower_bound",
    "music_terms",
    "segment_softmax",
]
