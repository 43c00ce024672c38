"""One style: figures are the same whatever matplotlibrc their reader has, and marks are what `mean_marks` was given."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

import musiclib.plots
from musiclib.plots.style import clip_percent, grey_levels, mean_curve, mean_marks, paint, picture, save_svg
from musiclib.statistics import Interval, mean_interval, t_interval

UNKIND = """
text.usetex: True
font.size: 21
lines.linewidth: 7
lines.marker: s
axes.grid: True
axes.facecolor: yellow
axes.unicode_minus: False
figure.dpi: 41
savefig.facecolor: pink
svg.fonttype: none
legend.framealpha: 0.1
"""
"""A matplotlibrc that changes size, colour and fonts, and asks for a TeX that need not be there."""

CODES = torch.eye(4).repeat(3, 1)[:, None].repeat(1, 3, 1)
JOINT = torch.full((3, 3, 4, 4), 1 / 16)
RUNS = {"music": [0.5, 0.7, 0.6], "simclr": [0.4]}
SEEDS = {0: 0.5, 1: 0.7, 2: 0.6}
COURSE = [{"epoch": e, "loss": -e, "health": dict.fromkeys(("effective_rank", "alignment", "uniformity"), e)}
          for e in (1, 2)]  # fmt: skip
TRACE = [{"step": s, "loss": -s, "size": 2.0**s, "predicted": 3.0**s, "peak": 0.5} for s in (1, 2)]

FIGURES = {
    "loss_curves": ([COURSE, COURSE], {"landmarks": {"uniform": -1.0}, "bounds": {"loss": -2.0}}),
    "joint_heatmap": (JOINT, {}),
    "piano_keys": (CODES[:2], {"images": torch.zeros(2, 1, 4, 4)}),
    "usage_histogram": (CODES.mean(0), {}),
    "accuracy_dots": (RUNS, {"trivial": {"chance": 0.1}}),
    "accuracy_curves": ({"music": {0: [(1, 60.0, 0.5), (2, 120.0, 0.6)]}}, {}),
    "dot_panels": ({"linear": RUNS}, {"trivial": {"linear": {"chance": 0.1}}}),
    "difference_dots": ({"linear": {"simclr": mean_interval([0.1, 0.2, 0.3])}}, {}),
    "health_curves": ({"music": [COURSE, COURSE]}, {"levels": {"effective_rank": 1.5}}),
    "ablation": ({"linear": {"a": SEEDS, "b": {}}}, {"xlabel": "x", "collapsed": {"a": [1]}}),
    "methods_over": ({"linear": {"music": {1: SEEDS, 2: SEEDS}}}, {"xlabel": "x"}),
    "cost_over": ({"time": {"floor": {1: [1.0], 2: [2.0]}, "music": {1: [3.0], 2: [4.0, 5.0]}}}, {"xlabel": "D"}),
    "accuracy_against_cost": ({"music": [(1e6, "row", [0.5, 0.6])]}, {"xlabel": "x", "ylabel": "y"}),
    "response": ({"music": {1: [0.5, 0.6], 2: [0.7, 0.8]}}, {"xlabel": "x", "ylabel": "y", "trivial": {"chance": 0.1}}),
    "information_panels": ({"code": (torch.rand(3, 2, generator=torch.Generator().manual_seed(0)),
                                     torch.tensor([0, -1]))}, {"factors": ["hue", "size"]}),
    "factor_dots": ({"a": {"hue": [0.2, 0.4]}}, {"ylabel": "share"}),
    "ranked_dots": (RUNS, {"xlabel": "x", "ylabel": "y", "levels": {"chance": 0.1}}),
    "unit_galleries": (torch.zeros(2, 1, 4, 4), {"chosen": {"segment 1": [[0], [1]]}}),
    "over_epochs": ({"a": [COURSE], "b": [COURSE]}, {"panels": {"loss": lambda e: e["loss"]}}),
    "saddle": ({"a": TRACE}, {"network": {"a": TRACE}, "uniform": {"a": 0.0}}),
    "softening": ({"a": TRACE}, {"floors": {"bound": -3.0}}),
    "code_table": (np.eye(3, dtype=int), {"units": 2}),
    "code_maps": ({"a": torch.zeros(2, 3, 3, dtype=torch.long)}, {"units": 2, "xlabel": "x", "ylabel": "y"}),
    "ranking": ({"a": (1.0, 1.1)}, {"xlabel": "x"}),
    "spectra": ({"a": np.array([0.0, 1.0])}, {"levels": {"a": {"flat": (0.0, 1), "up": (1.0, 1)}}, "ylabel": "y"}),
    "trade_off": ({"c = 0": {"gentle": [(0.1, 0.2), (0.3, 0.4)]}}, {"landmarks": {"null": (0.0, 0.0)}}),
    "held_tables": ({"codes": {"gentle": {"hue": [0.8, 0.9]}}}, {}),
    "parting": ({"a": {"x": [([1, 2], [0.0, 0.4])]}}, {}),
    "galleries_beside": (torch.zeros(2, 1, 4, 4), {"sides": {"c = 0": {"segment 1": ([[0], [1]], ["a", "b"])}}}),
    "seed_dots": ({"left": RUNS}, {"xlabel": "nats", "trivial": {"left": 0.1}}),
}  # fmt: skip
"""Figure -> its first argument and the others; `effect_table` and `panels` take more and stand in `draw_all`."""


def drawings():
    """Name -> function, of everything public in the package that gives a picture."""
    parts = [importlib.import_module(f"musiclib.plots.{m.name}") for m in pkgutil.iter_modules(musiclib.plots.__path__)]
    functions = {name: f for part in parts for name, f in vars(part).items() if not name.startswith("_")}
    return {n: f for n, f in functions.items() if getattr(f, "__annotations__", {}).get("return") == "Picture"}


def draw_all(folder):
    known = drawings()
    figures = {name: known[name](first, **others) for name, (first, others) in FIGURES.items()}
    cells = {"crop": {"x": (-0.5, 0.1)}}, {"crop": {"x": "falls"}}, {"crop": {"x": "hit"}}
    figures["effect_table"] = known["effect_table"](*cells, label="effect")
    xy = ([1.0, 2.0], [3.0, 1.0])
    theory = importlib.import_module("musiclib.plots.theory")
    panel = theory.Panel("x", "y", {"a": xy}, {"a": xy}, {"bound": 2.0}, {"here": 1.5}, notes={"note": (1.0, 2.0)})
    figures["panels"] = theory.panels(panel)
    assert set(figures) == set(known) - {"picture"}
    for name, figure in figures.items():
        save_svg(figure, folder / f"{name}.svg")
    (folder / "panels.png").write_bytes(figures["panels"]._repr_png_())


def drawn_under(matplotlibrc, folder):
    """File name -> bytes of all figures, drawn by a new interpreter whose matplotlib finds these settings."""
    settings, out = folder / "settings", folder / "out"
    settings.mkdir(parents=True)
    out.mkdir()
    (settings / "matplotlibrc").write_text(matplotlibrc)
    code = f"""
import sys, pathlib, matplotlib
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_plots_style import draw_all
draw_all(pathlib.Path({str(out)!r}))
print(matplotlib.rcParams["font.size"])
"""
    environment = {k: v for k, v in os.environ.items() if k != "MATPLOTLIBRC"} | {"MPLCONFIGDIR": str(settings)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in out.iterdir()}, float(done.stdout.split()[-1])


def test_no_figure_depends_on_the_matplotlibrc_of_its_reader(tmp_path):
    plain, size = drawn_under("", tmp_path / "plain")
    unkind, changed = drawn_under(UNKIND, tmp_path / "unkind")
    assert (size, changed) == (10, 21)  # the settings were found, and are the reader's again afterwards
    assert [name for name in plain if plain[name] != unkind[name]] == []


@pytest.fixture
def axes():
    return picture(3, 3).subplots()


def spans(axes, coordinate):
    return [bar[2][0].get_segments()[0][:, coordinate] for bar in axes.containers if bar[2]]


@pytest.mark.parametrize(("upright", "along"), [(False, 0), (True, 1)])
def test_mean_marks_draw_mean_interval_and_every_run(axes, upright, along):
    values = [1.0, 2.0, 6.0]
    assert mean_marks(axes, 5, values, ("#123456", "s"), upright=upright, shift=-0.5) == pytest.approx(3.0)
    half = t_interval(values)[1]
    assert spans(axes, along)[0] == pytest.approx([3 - half, 3 + half])
    dots = axes.lines[0].get_xydata()
    assert dots[:, along].tolist() == values
    assert dots[:, 1 - along].tolist() == [4.5] * 3
    mean = axes.containers[0][0]
    assert mean.get_xydata()[0][[along, 1 - along]] == pytest.approx([3, 5])
    assert (mean.get_marker(), to_hex(mean.get_markerfacecolor())) == ("s", "#123456")


def test_few_values_have_a_hollow_mark_and_no_interval(axes):
    mean_marks(axes, 0, [1.0], paint(0), shift=0.1)
    mean_marks(axes, 1, [1.0, 2.0], paint(0), least=3)
    mean_marks(axes, 2, Interval(4.0, 3.0, 5.0, 9), paint(0))
    assert [to_hex(bar[0].get_markerfacecolor()) for bar in axes.containers] == [
        "#ffffff",
        "#ffffff",
        paint(0)[0].lower(),
    ]
    assert [span.tolist() for span in spans(axes, 0)] == [[3, 5]]
    assert not [line for line in axes.lines if line.get_alpha() == 0.4]  # no dot: a single run, or none asked for


def test_the_mean_of_curves_stops_where_the_shortest_run_does(axes):
    mean_curve(axes, [([1, 2, 3], [1.0, 2.0, 3.0]), ([1, 2], [3.0, 4.0])], color="black")
    *runs, mean = axes.lines
    assert [len(line.get_xdata()) for line in runs] == [3, 2]
    assert mean.get_xydata().tolist() == [[1, 2], [2, 3]]


def test_levels_are_named_on_the_line_or_left_to_the_legend(axes):
    grey_levels(axes, {"low": 1.0, "high": 2.0}, at=0.1, below=True)
    assert [(t.get_text(), t.get_ha(), t.get_va()) for t in axes.texts] == [
        ("low", "left", "top"),
        ("high", "left", "top"),
    ]
    grey_levels(axes, {"chance": 3.0}, at=None)
    assert len(axes.texts) == 2
    assert [line.get_ydata()[0] for line in axes.lines] == [1.0, 2.0, 3.0]
    assert axes.get_legend_handles_labels()[1] == ["chance"]


def test_an_axis_of_accuracies_ends_where_they_do(axes):
    axes.set_ylim(-40, 130)
    clip_percent(axes)
    assert axes.get_ylim() == (-1, 101)
