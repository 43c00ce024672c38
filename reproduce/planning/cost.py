"""What the imagenet profile would cost: hours, GPU hours, memory, disk, traffic, from parts that were measured.

    python -m reproduce.planning.cost --measure DIR > parts.json       # on a machine with a GPU; a few minutes
    python -m reproduce.planning.cost --measure DIR --count > ...      # without one
    python -m reproduce list --profile imagenet                        # prints the estimate

Measured on a GPU: one training step of encoder and projector at the share of the batch that one GPU has; the loss of
the GLOBAL batch, which every process computes; the two views. Without one they are counted instead (operations, and
bytes kept for the backward pass, both exact) and the GPU is an assumed one, which the estimate says. Measured in
either case: decoding JPEGs on one core. Assumed, and printed as such: the speed of the network and the size of
ImageNet. What is not in it: waiting for storage, evaluation, and whatever a cluster adds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

PARTS = Path(__file__).resolve().parent / "parts.json"
IMAGES, IMAGE_BYTES = 1_281_167, 110_000  # training images of ImageNet-1k; mean size of a JPEG, from its 141 GB
HELD_BYTES = 6_700_000_000  # the 50,000 validation images
NETWORK = 12.5e9  # bytes a second between machines: 100 Gbit/s, assumed
#: the GPU that stands in where none was measured: 40 % of the peak rates in an A100's data sheet, which well-tuned
#: training reaches; the loss counts in float32
ASSUMED = {"name": "A100, assumed at 40 % of its peak", "bfloat16": 0.4 * 312e12, "float32": 0.4 * 19.5e12}


def estimate(parts: dict, *, epochs: int, batch: int, processes: int, nodes: int, cores: int = 8) -> dict:
    """The cost of a run on `nodes` machines with `processes` GPUs each and `cores` decoding cores a GPU. parts: as
    `measure` gives them. Raises ValueError when the parts were measured for another share of the batch."""
    gpus = processes * nodes
    share = batch // gpus
    if batch % gpus:
        raise ValueError(f"batch={batch} must be a multiple of the {gpus} GPUs")
    parts = parts if "step_s" in parts else on_assumed_gpu(parts, share)
    known = {int(k): v for k, v in parts["step_s"].items()}
    if share not in known:
        raise ValueError(
            f"no step of {share} images a GPU was measured, only {sorted(known)}; choose nodes and processes "
            f"accordingly"
        )
    if batch != parts["loss_batch"]:
        raise ValueError(f"the loss was measured at batch {parts['loss_batch']}, not {batch}")
    gradient = 2 * 4 * parts["parameters"] * (gpus - 1) / gpus  # a ring sends every float32 gradient about twice
    embeddings = 2 * 2 * 4 * batch * parts["embedding"] * (gpus - 1) / gpus  # both views, forward and backward
    network = (gradient + embeddings) / NETWORK if nodes > 1 else 0.0
    seconds = {
        "encoder and projector": known[share],
        "loss of the global batch": parts["loss_s"],
        "views": share * parts["views_s_per_image"],
        "network (assumed 100 Gbit/s)": network,
    }
    computing, decoding = sum(seconds.values()), share * parts["decode_s_per_image"] / cores
    steps = epochs * (IMAGES // batch)
    hours = steps * max(computing, decoding) / 3600
    return {
        "device": parts["device"],
        "steps": steps,
        "seconds_a_step": seconds,
        "decoding_s": decoding,
        "bound_by": "decoding" if decoding > computing else "computing",
        "hours": hours,
        "gpu_hours": hours * gpus,
        "gpu_memory_gb": parts["peak_mb"][str(share)] / 1024,
        "disk_gb": (IMAGES * IMAGE_BYTES + HELD_BYTES + 2 * 3 * 4 * parts["parameters"]) / 1e9,
        "read_tb": epochs * IMAGES * IMAGE_BYTES / 1e12,
        "network_tb_a_gpu": steps * (gradient + embeddings) / 1e12 if nodes > 1 else 0.0,
        "cores": cores * gpus,
    }


def on_assumed_gpu(parts: dict, share: int) -> dict:
    """Parts that were counted, turned into seconds and megabytes on the ASSUMED GPU with `share` images a step."""
    weights = 4 * 4 * parts["parameters"]  # weight, gradient, momentum and a bfloat16 copy with room to spare
    needed = weights + max(share * parts["kept_bytes_per_image"], parts["loss_kept_bytes"])
    return parts | {
        "device": ASSUMED["name"],
        "step_s": {str(share): share * parts["flop_per_image"] / ASSUMED["bfloat16"]},
        "loss_s": parts["loss_flop"] / ASSUMED["float32"],
        "views_s_per_image": 0.0,
        "peak_mb": {str(share): needed / 2**20},
    }


def describe(cost: dict, gpus: int) -> str:
    """An estimate in words."""
    step = ", ".join(f"{name} {1000 * s:.0f} ms" for name, s in cost["seconds_a_step"].items())
    return (
        f"estimated cost on {gpus} x {cost['device']}: {cost['hours']:.1f} h, {cost['gpu_hours']:.0f} GPU hours "
        f"({cost['steps']} steps; a step: {step}; decoding {1000 * cost['decoding_s']:.0f} ms on "
        f"{cost['cores'] // gpus} cores a GPU, "
        f"at the same time; bound by {cost['bound_by']})\n"
        f"GPU memory {cost['gpu_memory_gb']:.1f} GB; disk {cost['disk_gb']:.0f} GB; read {cost['read_tb']:.1f} TB; "
        f"network {cost['network_tb_a_gpu']:.1f} TB a GPU"
    )


def of_job(job, parts_file: Path = PARTS) -> str:
    """The estimate for a pretrain job of the imagenet profile, or why there is none."""
    none = "no estimate of the cost"
    if not parts_file.is_file():
        return f"{none}: {parts_file.name} is missing (python -m reproduce.planning.cost --measure)"
    parts = json.loads(parts_file.read_text(encoding="utf-8"))
    options = job.values["options"]
    embedding = options.get("segments", 0) * options.get("units", 0)
    if (job.values["encoder"], embedding) != (parts["encoder"], parts["embedding"]):
        return f"{none}: the parts were measured for {parts['encoder']} with {parts['embedding']} features"
    try:
        cost = estimate(
            parts, epochs=job.values["epochs"], batch=job.values["batch"], processes=job.processes, nodes=job.nodes
        )
    except ValueError as error:
        return f"{none}: {error}"
    return describe(cost, job.processes * job.nodes)


# -- measuring the parts -------------------------------------------------------------------------------------------


def seconds_of(work, repeats: int, synchronise) -> float:
    """Median seconds of a call, after three to warm up."""
    for _ in range(3):
        work()
    synchronise()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        synchronise()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def kept_and_flop(work) -> tuple[int, int]:
    """Bytes that a forward pass keeps for its backward pass (each storage once), and operations of both (a multiply
    and an add are two), of matrix products and convolutions."""
    import torch

    from musiclib.studies.cost import flops

    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        operations = flops(work)
    return sum(kept.values()), operations


def timed(
    network, optimiser, configs, *, shares: list[int], batch: int, segments: int, size: int, repeats: int
) -> dict:
    """Seconds and peak memory, where `network` is, of a step at every share of the batch, of the loss, of the views."""
    import torch

    from musiclib import MusicLoss, record
    from musiclib.views import two_views

    weight = next(network.parameters())
    device, embedding = weight.device, network(torch.zeros(2, 3, size, size, device=weight.device)).shape[1]
    gpu = device.type == "cuda"
    synchronise = torch.cuda.synchronize if gpu else lambda: None
    forget = torch.cuda.reset_peak_memory_stats if gpu else lambda: None
    steps, peaks = {}, {}
    for share in shares:
        x = torch.randn(share, 3, size, size, device=device).to(memory_format=torch.channels_last)

        def step(x: torch.Tensor = x) -> None:
            two_passes(network, x).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        forget()
        steps[str(share)] = seconds_of(step, repeats, synchronise)
        peaks[str(share)] = record.peak_memory_mb(device)
    z1, z2 = (torch.randn(batch, embedding, device=device, requires_grad=True) for _ in range(2))
    loss = MusicLoss(segments)
    forget()
    loss_s = seconds_of(lambda: loss(z1, z2).backward(), repeats, synchronise)
    loss_peak = record.peak_memory_mb(device)
    images = torch.randint(0, 256, (shares[0], 3, size, size), dtype=torch.uint8, device=device)
    generator = torch.Generator().manual_seed(0)
    views_s = seconds_of(lambda: two_views(images, configs, generator), repeats, synchronise) / shares[0]
    return {
        "repeats": repeats,
        "step_s": steps,
        "loss_s": loss_s,
        "views_s_per_image": views_s,
        "peak_mb": {k: max(v, loss_peak) for k, v in peaks.items()},
        "loss_peak_mb": loss_peak,
    }


def two_passes(network, x):
    """Both views through the network in bfloat16, and a loss that costs nothing."""
    import torch

    with torch.autocast(x.device.type, torch.bfloat16):
        return network(x).float().square().mean() + network(x).float().mean()


def counted(network, *, batch: int, segments: int, size: int) -> dict:
    """What `timed` would time, in operations and bytes: of an image by the difference between batches of two sizes, so
    that copies of the weights drop out; of the loss at an eighth of `batch`, in which both grow in proportion."""
    import torch

    from musiclib import MusicLoss

    weight = next(network.parameters())
    found = []
    for images in (2, 4):
        x = torch.randn(images, 3, size, size, device=weight.device).to(memory_format=torch.channels_last)
        found.append(kept_and_flop(lambda x=x: two_passes(network, x).backward()))
    embedding, few = network(x).shape[1], max(1, batch // 8)
    z1, z2 = (torch.randn(few, embedding, device=weight.device, requires_grad=True) for _ in range(2))
    kept, flop = kept_and_flop(lambda: MusicLoss(segments)(z1, z2).backward())
    (kept2, flop2), (kept4, flop4) = found
    return {
        "flop_per_image": (flop4 - flop2) / 2,
        "kept_bytes_per_image": (kept4 - kept2) / 2,
        "loss_flop": flop * batch / few,
        "loss_kept_bytes": kept * batch / few,
    }


def measure(
    jpegs: list[Path],
    *,
    shares: list[int],
    batch: int = 2048,
    segments: int = 102,
    units: int = 80,
    encoder: str = "resnet50",
    size: int = 224,
    repeats: int = 10,
    count: bool = False,
) -> dict:
    """The parts on this machine. shares: images a GPU and step to measure. jpegs: images whose decoding is timed on
    one core. count: count operations and bytes instead of timing steps."""
    import torch

    from musiclib import record
    from musiclib.encoders import build_encoder, mlp
    from musiclib.pretrain.optimisers import build_optimiser
    from musiclib.views import view_preset

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    configs, embedding = view_preset("imagenet"), segments * units
    features = build_encoder(encoder)
    network = torch.nn.Sequential(features, mlp([features.features, 8192, embedding], bias_last=False)).to(device)
    network = network.to(memory_format=torch.channels_last)
    own = {"batch": batch, "segments": segments, "size": size}
    if count:
        found = counted(network, **own)
    else:
        optimiser = build_optimiser("lars", network, lr=4.8, weight_decay=1e-6)
        found = timed(network, optimiser, configs, shares=shares, repeats=repeats, **own)
    facts = record.provenance(device)
    return {
        "device": facts["environment"]["device_name"],
        "torch": facts["environment"]["torch"],
        "code": facts["code"],
        "measured": record.now(),
        "encoder": encoder,
        "embedding": embedding,
        "loss_batch": batch,
        "parameters": sum(p.numel() for p in network.parameters()),
        **found,
        "decode_s_per_image": decoding(jpegs, configs[0], size),
        "decode_on": record.processor(),
        "decoded_images": len(jpegs),
    }


def decoding(jpegs: list[Path], view, size: int) -> float:
    """Seconds to decode one JPEG and cut two crops of it, on one core."""
    from musiclib.datasets.stream import ImageStream

    if not jpegs:
        return math.nan
    folder = jpegs[0].parent.parent.parent
    stream = ImageStream(
        folder,
        "train",
        size=size,
        batch=min(32, len(jpegs)),
        crop_scale=view.crop_scale,
        crop_ratio=view.crop_ratio,
        workers=0,
    )
    began, count = time.perf_counter(), 0
    for positions, *_ in stream.batches(0):
        count += len(positions)
    return (time.perf_counter() - began) / count


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(
        "python -m reproduce.planning.cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument(
        "--measure", type=Path, metavar="DIR", help="measure the parts here; DIR/train/CLASS/*.JPEG are decoded"
    )
    p.add_argument("--shares", type=int, nargs="+", default=[64, 256], help="images a GPU and step (default 64 256)")
    p.add_argument("--count", action="store_true", help="count operations instead of timing them: needs no GPU")
    args = p.parse_args(argv)
    if args.measure is None:
        p.print_help()
        return 2
    jpegs = sorted(args.measure.glob("train/*/*.*"))
    print(json.dumps(measure(jpegs, shares=args.shares, count=args.count), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
