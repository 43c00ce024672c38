"""A training of this library followed live by a callback of your own; TensorBoard is one that ships.

    python docs/examples/followed_live.py
    tensorboard --logdir outputs/followed/events      # with the extra tensorboard

Needs the extra train.
"""

from musiclib.config import TrainConfig
from musiclib.pretrain import run
from musiclib.pretrain.callbacks import Callback


class Bell(Callback):
    """Says so when the loss of an epoch is the lowest yet."""

    best = float("inf")

    def on_epoch(self, entry):
        if entry["loss"] < self.best:
            self.best = entry["loss"]
            print(f"epoch {entry['epoch']}: loss {self.best:.4f}")


followers = [Bell()]
try:
    from musiclib.pretrain.tensorboard import TensorBoard

    followers.append(TensorBoard("outputs/followed/events"))
except ModuleNotFoundError as missing:
    print(missing)

config = TrainConfig(dataset="digits", encoder="tiny", epochs=3, batch=256)
run(config, "outputs/followed/run", progress=False, evaluate=False, callbacks=followers)
