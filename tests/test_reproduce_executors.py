"""The same plan elsewhere: through submitit's local executor, through torchrun, and what the big profile would cost."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from reproduce_fixtures import write_notebook, write_profile

from reproduce.batch import executors, runner, slurm, torchrun
from reproduce.judging import records
from reproduce.planning import cost
from reproduce.planning.plan import build

pytestmark = pytest.mark.timeout(900)  # many processes: seconds on a quiet machine, minutes on a busy one


def test_submitit_runs_the_same_jobs_with_the_same_judgement(tmp_path):
    pytest.importorskip("submitit")
    write_notebook(tmp_path / "notebooks", "good", "metrics = {'seed': seed}")
    write_notebook(tmp_path / "notebooks", "bad", "1/0")
    plan = build(
        str(write_profile(tmp_path, [{"notebook": "good", "seeds": [4]}, {"notebook": "bad"}])),
        notebooks=tmp_path / "notebooks",
    )
    cluster = slurm.Slurm(tmp_path / "out", 2, cluster="local")
    summary = runner.run(plan, tmp_path / "out", executor=cluster, quiet=True, threads=1)
    assert summary.done == ["good.seed=4"]
    assert summary.failed["bad"]["message"] == "division by zero"
    lines = {r["job"]: r for r in records.load(tmp_path / "out").lines}
    assert lines["good.seed=4"]["metrics"] == {"seed": 4}


def test_without_a_cluster_slurm_says_so(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))  # whatever is installed here
    with pytest.raises(ValueError, match="no `srun` on this machine"):
        slurm.Slurm(tmp_path, 1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """An ImageNet-style tree: two classes of noise JPEGs, train and val."""
    folder, rng = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for name in ("cats", "dogs"):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 255, (48, 40, 3), dtype=np.uint8)).save(
                    folder / split / name / f"{i}.jpg"
                )
    return folder


SMALL = [
    "nodes=1",
    "processes=2",
    "encoder=tiny",
    "views.size=16",
    "batch=8",
    "epochs=1",
    "warmup_epochs=0",
    "dataset_options.workers=0",
    "options.segments=4",
    "options.units=4",
    "options.projector=[16]",
]


def test_the_imagenet_profile_runs_to_its_end_with_two_processes(tmp_path, images):
    plan = build("imagenet", data_root=str(images), settings=SMALL)
    assert plan.problems == []
    (job,) = plan.jobs
    summary = runner.run(plan, tmp_path / "out", executor=executors.Local(1), threads=1, quiet=True)
    assert summary.failed == {}
    assert summary.done == [job.id]
    trained = next(r for r in records.load(tmp_path / "out").lines if r["kind"] == "pretrain")
    assert (trained["run"], trained["status"], trained["environment"]["processes"]) == (job.hash, "done", 2)
    assert trained["config"]["optimiser"] == "lars"
    again = runner.run(plan, tmp_path / "out", executor=executors.Local(1), threads=1, resume=True, quiet=True)
    assert again.skipped == [job.id]


def test_the_imagenet_profile_has_the_published_recipe(images):
    (job,) = build("imagenet", data_root=str(images)).jobs
    told = job.values
    assert (told["encoder"], told["epochs"], told["batch"], told["optimiser"]) == ("resnet50", 100, 2048, "lars")
    assert (told["lr"] * told["batch"] / 256, told["weight_decay"], told["warmup_epochs"], told["final_lr"]) == (
        4.8,
        1e-6,
        10,
        0.001,
    )
    assert (told["options"]["segments"], told["options"]["units"], told["options"]["projector"]) == (102, 80, [8192])
    assert job.nodes * job.processes == 32


def test_mistakes_in_a_training_entry_are_told(tmp_path, images):
    for settings, told in (
        (["options.units=x"], "options of music.units"),
        (["epochz=3"], "epochz"),
        (["batch=2047"], "multiple of the 32 processes"),
    ):
        problems = build("imagenet", data_root=str(images), settings=settings).problems
        assert any(told in p for p in problems), problems
    assert any("train/CLASS" in p for p in build("imagenet", data_root=str(tmp_path)).problems)


def test_torchrun_is_told_about_the_other_machines():
    spec = {"nodes": 4, "processes": 8, "hash": "abc", "out": "/r"}
    told = torchrun.command(spec, "/r/config.yaml", {"MUSICLIB_NODE": "2", "MUSICLIB_HOST": "first"})
    text = " ".join(map(str, told))
    assert "--nnodes 4 --node-rank 2" in text
    assert "--rdzv-endpoint first:" in text
    assert "--nproc-per-node 8" in text
    alone = " ".join(map(str, torchrun.command({**spec, "nodes": 1, "processes": 1}, "/r/config.yaml", {})))
    assert "torch.distributed" not in alone


PARTS = {
    "device": "a GPU",
    "encoder": "resnet50",
    "embedding": 8160,
    "loss_batch": 2048,
    "parameters": 100_000_000,
    "step_s": {"64": 0.10, "256": 0.40},
    "loss_s": 0.02,
    "views_s_per_image": 0.0001,
    "peak_mb": {"64": 20480.0, "256": 71680.0},
    "decode_s_per_image": 0.008,
}


def test_the_cost_adds_up():
    found = cost.estimate(PARTS, epochs=100, batch=2048, processes=8, nodes=1, cores=16)
    steps = 100 * (1_281_167 // 2048)
    step = 0.40 + 0.02 + 256 * 0.0001  # one machine: no network; 256 images a GPU
    assert found["steps"] == steps
    assert found["hours"] == pytest.approx(steps * step / 3600)
    assert found["gpu_hours"] == pytest.approx(8 * found["hours"])
    assert found["bound_by"] == "computing"
    assert found["network_tb_a_gpu"] == 0
    assert found["gpu_memory_gb"] == 70


def test_the_cost_is_that_of_decoding_where_cores_are_few():
    found = cost.estimate(PARTS, epochs=100, batch=2048, processes=8, nodes=1, cores=1)
    assert found["bound_by"] == "decoding"
    assert found["hours"] == pytest.approx(found["steps"] * 256 * 0.008 / 3600)


def test_the_network_costs_only_between_machines_and_is_named_an_assumption():
    found = cost.estimate(PARTS, epochs=100, batch=2048, processes=8, nodes=4)
    gradient, embeddings = 2 * 4e8 * 31 / 32, 2 * 2 * 4 * 2048 * 8160 * 31 / 32
    assert found["network_tb_a_gpu"] == pytest.approx(found["steps"] * (gradient + embeddings) / 1e12)
    assert "assumed" in cost.describe(found, 32)


def test_what_was_not_measured_is_not_estimated(tmp_path, images):
    with pytest.raises(ValueError, match="no step of 128 images"):
        cost.estimate(PARTS, epochs=100, batch=2048, processes=16, nodes=1)
    (job,) = build("imagenet", data_root=str(images), settings=["encoder=tiny"]).jobs
    (tmp_path / "parts.json").write_text(json.dumps(PARTS))
    assert "no estimate" in cost.of_job(job, tmp_path / "parts.json")
    assert "no estimate" in cost.of_job(job, tmp_path / "absent.json")


def test_the_parts_can_be_measured_here_and_give_an_estimate(images):
    found = cost.measure(
        sorted(images.glob("train/*/*.jpg")),
        shares=[2],
        batch=8,
        segments=4,
        units=4,
        encoder="tiny",
        size=32,
        repeats=1,
    )
    assert min(found["step_s"]["2"], found["loss_s"], found["views_s_per_image"], found["decode_s_per_image"]) > 0
    assert found["decoded_images"] == 16
    assert cost.estimate(found, epochs=1, batch=8, processes=4, nodes=1)["hours"] > 0


def test_operations_and_kept_bytes_are_counted():
    x, w = torch.randn(3, 5), torch.randn(5, 7, requires_grad=True)
    kept, flop = cost.kept_and_flop(lambda: (x @ w).sum().backward())
    assert flop == 2 * (2 * 3 * 5 * 7)  # the product, and the gradient of w; x needs none
    assert kept == 4 * 3 * 5  # only x is needed again


def test_without_a_gpu_the_parts_are_counted_and_the_assumed_one_is_named(images):
    jpegs = sorted(images.glob("train/*/*.jpg"))
    small = {"shares": [2], "segments": 4, "units": 4, "encoder": "tiny", "size": 32, "count": True}
    found, wider = cost.measure(jpegs, batch=8, **small), cost.measure(jpegs, batch=16, **small)
    assert wider["loss_flop"] == pytest.approx(2 * found["loss_flop"])
    assert wider["flop_per_image"] == found["flop_per_image"]
    estimate = cost.estimate(found, epochs=1, batch=8, processes=4, nodes=1)
    share = estimate["seconds_a_step"]["encoder and projector"]
    assert share == pytest.approx(2 * found["flop_per_image"] / (0.4 * 312e12))
    assert "assumed" in estimate["device"]
