"""MUSIC in a LightningModule. Needs lightning. With several devices the joint is that of the global batch.

python docs/examples/with_lightning.py
"""

import lightning
import torch
from torch import nn

from musiclib import MusicLoss

SEGMENTS, UNITS = 8, 4


class Music(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, SEGMENTS * UNITS))
        self.criterion = MusicLoss(segments=SEGMENTS)

    def training_step(self, batch, index):
        (x,) = batch
        view1, view2 = x + 0.3 * torch.randn_like(x), x + 0.3 * torch.randn_like(x)  # your augmentations
        # one pass for both views: under DDP a network is called once a step
        z1, z2 = self.network(torch.cat([view1, view2])).chunk(2)
        loss = self.criterion(z1, z2)
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_train_epoch_end(self):
        print(f"epoch {self.current_epoch}: loss {self.trainer.callback_metrics['loss'].item():.4f}")

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


lightning.seed_everything(0, verbose=False)
centres = torch.randn(32, 20)
data = torch.utils.data.TensorDataset(centres[torch.randint(32, (4096,))])
loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True, drop_last=True)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
lightning.Trainer(max_epochs=4, accelerator="cpu", devices=1, **quiet).fit(Music(), loader)
