"""MUSIC in lightly: its SimCLR example with two changed lines, marked below. Needs lightly.

python docs/examples/with_lightly.py
"""

import torch
from lightly.data import LightlyDataset
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from torch import nn
from torchvision.datasets import FakeData
from torchvision.models import resnet18

from musiclib import MusicLoss  # was: from lightly.loss import NTXentLoss


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = resnet18()
        self.backbone.fc = nn.Identity()
        self.head = SimCLRProjectionHead(512, 512, 128)

    def forward(self, x):
        return self.head(self.backbone(x))


torch.manual_seed(0)
images = LightlyDataset.from_torch_dataset(FakeData(64, (3, 32, 32)), transform=SimCLRTransform(input_size=32))
loader = torch.utils.data.DataLoader(images, batch_size=32, shuffle=True, drop_last=True)
network = Network()
optimiser = torch.optim.SGD(network.parameters(), lr=0.06)
criterion = MusicLoss(segments=16)  # was: NTXentLoss(); the head's 128 outputs become 16 segments of 8 units

for epoch in range(2):
    for views, *_ in loader:
        loss = criterion(network(views[0]), network(views[1]))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    print(f"epoch {epoch}: loss {loss.item():.4f}")
