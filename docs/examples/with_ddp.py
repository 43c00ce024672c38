"""MUSIC under DistributedDataParallel: every process brings its share, the loss is that of the global batch.

    torchrun --nproc-per-node 2 docs/examples/with_ddp.py

The same line with --nproc-per-node 1 prints the same losses: nothing in the loop depends on the number of processes.
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from musiclib import MusicLoss

SEGMENTS, UNITS, BATCH = 8, 4, 256

dist.init_process_group("gloo")  # nccl on GPUs
mine = slice(dist.get_rank(), None, dist.get_world_size())  # this process's samples of a global batch

torch.manual_seed(0)  # the same network and, for this example, the same data everywhere
centres = torch.randn(32, 20)
network = DistributedDataParallel(nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, SEGMENTS * UNITS)))
optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
criterion = MusicLoss(segments=SEGMENTS)

for step in range(101):
    x = centres[torch.randint(len(centres), (BATCH,))]
    view1, view2 = x + 0.3 * torch.randn_like(x), x + 0.3 * torch.randn_like(x)
    # one pass for both views: DistributedDataParallel wants one forward a step
    z1, z2 = network(torch.cat([view1[mine], view2[mine]])).chunk(2)
    loss = criterion(z1, z2)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 50 == 0 and dist.get_rank() == 0:
        print(f"step {step}: loss {loss.item():.4f}", flush=True)

dist.destroy_process_group()
