"""The one training loop, and the life of a run around it: `python -m musiclib.pretrain`.

lifecycle     a run from start to record: found finished, resumed or trained, evaluated, written down
inputs        which data a run is made from, and what cannot be trained, known before the first step
assemble      configuration -> data, views, method; a run's folder -> trained network
loop          the loop itself: order and views as functions of the seed, forward, backward, update
optimisers    SGD, LARS, AdamW; warm-up and cosine
accuracy      nearest neighbours on held-out training images, at a few epochs
inputs        whether records and checkpoints belong to the data that are there
checkpoint    what resumes a run: safetensors and JSON, whole or not at all
progress      what a running loop shows
callbacks     who follows a run live; tensorboard is the first
processes     device, process group, signals
__main__      the command line
"""

from musiclib.installed import extra

with extra("train"):
    from musiclib.pretrain.assemble import load_encoder, load_method
    from musiclib.pretrain.inputs import OtherData
    from musiclib.pretrain.lifecycle import FolderTaken, run

__all__ = ["FolderTaken", "OtherData", "load_encoder", "load_method", "run"]
