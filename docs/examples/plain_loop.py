"""MUSIC in a plain PyTorch loop: a network, an optimiser, two views, one loss. Asks for the core alone.

python docs/examples/plain_loop.py
"""

import torch
from torch import nn

from musiclib import MusicLoss, lower_bound

SEGMENTS, UNITS = 8, 4

torch.manual_seed(0)
centres = torch.randn(32, 20)  # 32 things to recognise, seen in 20 features
network = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, SEGMENTS * UNITS))
optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
criterion = MusicLoss(segments=SEGMENTS)

for step in range(201):
    x = centres[torch.randint(len(centres), (256,))]
    view1, view2 = x + 0.3 * torch.randn_like(x), x + 0.3 * torch.randn_like(x)  # your augmentations
    loss = criterion(network(view1), network(view2))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 100 == 0:
        print(f"step {step}: loss {loss.item():.4f}, bound {lower_bound(units=UNITS):.4f}")
