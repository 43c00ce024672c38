"""The eleven methods by name: MUSIC and the ten systems that the paper compares it with."""

from __future__ import annotations

from musiclib.baselines import METHODS as BASELINES
from musiclib.method import Method
from musiclib.music import Music, MusicOptions

METHODS: dict[str, tuple[type[Method], type]] = {"music": (Music, MusicOptions), **BASELINES}
