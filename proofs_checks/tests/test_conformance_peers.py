"""The ten peers under test: ours hold, faults that others have had are red where they belong."""

import json
import math

import pytest
import torch

from proofs_checks import __main__ as cli
from proofs_checks.conformance import peer_checks
from proofs_checks.conformance.peer_checks import CHECKS, MEANS, decide, half_of, judge_peer, values_of_half
from proofs_checks.conformance.peers import PEERS
from proofs_checks.conformance.processes import in_two_processes

OURS = "proofs_checks.conformance.ours"
OUTSIDE = "proofs_checks.tests.outsiders"


def verdicts_of(path, name):
    return {one.check: one.verdict for one in judge_peer(path, PEERS[name])}


def without_processes(monkeypatch):
    """Two processes take a second; their check is tried once, for ours and for a loss that gathers nothing."""
    monkeypatch.setattr(peer_checks, "in_two_processes", lambda *_: [[math.nan], [math.nan]])


@pytest.fixture(scope="module")
def both():
    """What each of two processes returns for its half of the batch, for all our peers."""
    return in_two_processes(values_of_half, [(f"{OURS}:{name}", name) for name in PEERS])


@pytest.mark.parametrize("name", PEERS)
def test_our_peers_are_as_stated(monkeypatch, both, name):
    values = [[one[list(PEERS).index(name)]] for one in both]
    monkeypatch.setattr(peer_checks, "in_two_processes", lambda *_: values)
    findings = judge_peer(f"{OURS}:{name}", PEERS[name])
    assert [one.check for one in findings] == list(CHECKS)
    wanted = dict.fromkeys(CHECKS, "held") | ({"collapse": "not stated"} if name == "wmse" else {})
    assert {one.check: one.verdict for one in findings} == wanted


FAULTS = {
    "simclr_without_positive": ("simclr", {"optimum", "collapse", "loops", "gradient"}),
    "simclr_not_normalised": ("simclr", {"unchanged", "loops", "gradient"}),
    "byol_not_stopped": ("byol", {"gradient"}),
    "barlow_mixed": ("barlow_twins", {"unchanged", "loops", "gradient", "collapse"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_red_where_it_belongs(monkeypatch, fault):
    without_processes(monkeypatch)
    name, red = FAULTS[fault]
    found = {check for check, verdict in verdicts_of(f"{OUTSIDE}:{fault}", name).items() if verdict == "refuted"}
    assert found - {"two processes"} == red


def test_a_printed_vicreg_is_no_released_one_and_the_other_way_round(monkeypatch):
    without_processes(monkeypatch)
    for one, other in (("vicreg", "vicreg_printed"), ("vicreg_printed", "vicreg")):
        found = verdicts_of(f"{OURS}:{one}", other)
        assert found["loops"] == found["collapse"] == "refuted"
        assert found["optimum"] == found["unchanged"] == "held"


def test_a_loss_that_gathers_nothing_is_red_in_two_processes():
    found = verdicts_of("musiclib.methods:simclr_loss", "simclr")
    assert [check for check, verdict in found.items() if verdict == "refuted"] == ["two processes"]


def test_halves_make_up_the_batch_and_what_is_shared_stays_whole():
    peer = PEERS["deepcluster"]
    inputs = peer.draw(3)
    first, second = half_of(peer, inputs, 0), half_of(peer, inputs, 1)
    assert torch.equal(torch.cat([first[0], second[0]]), inputs[0])
    assert torch.equal(torch.cat([first[3], second[3]], dim=1), inputs[3])
    assert torch.equal(first[2], inputs[2])


def test_a_crash_and_a_nan_are_red():
    assert decide("loops", [("one", lambda: 1 / 0, 0.0)], 1.0).verdict == "crashed"
    assert decide("loops", [("one", lambda: math.nan, 0.0)], 1.0).verdict == "refuted"
    assert decide("loops", [("one", lambda: 0.5, 0.0), ("two", lambda: 3.0, 0.0)], 1.0).where == "two"
    assert decide("collapse", [], 1.0).verdict == "not stated"


def test_the_command_prints_a_line_a_check_and_what_a_failure_usually_means(monkeypatch, capsys):
    without_processes(monkeypatch)
    assert cli.main(["--peer", "byol", "--target", f"{OUTSIDE}:byol_not_stopped"]) == 1
    captured = capsys.readouterr()
    assert sum(line.startswith(("ok", "!!", "--")) for line in captured.out.splitlines()) == len(CHECKS)
    assert f"RED  gradient refuted: usually {MEANS['gradient']}" in captured.err
    assert cli.main(["--peer", "byol", "--target", f"{OUTSIDE}:byol_not_stopped", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["peer"] == "byol"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peer", "byol"], "expected a --target too"),
        (["--peer", "simclr", "--target", f"{OUTSIDE}:byol_not_stopped"], "expected a function of"),
        (["--peer", "byol", "--target", f"{OUTSIDE}:detached"], "expected a function of"),
        (["--peer", "byol", "--target", "nowhere"], "package.module:name"),
    ],
)
def test_what_is_no_adapter_of_the_peer_is_status_two_and_one_line(capsys, arguments, message):
    assert cli.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
