"""Cards as the drivers tell of them; the drivers' facts are given here, and this machine's own EGL is asked."""

from __future__ import annotations

import os

import pytest

from harness import cards
from harness.cards import DEVICE_VARIABLE, DrawingDevice, draw_on, kind_of, with_card, without_card

TWO = ("NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with two cards, whose EGL names them in another order, behind the processor."""
    monkeypatch.setattr(cards, "card_names", lambda: TWO)
    there = (DrawingDevice(is_software=True), DrawingDevice(1), DrawingDevice(0))
    monkeypatch.setattr(cards, "drawing_devices", lambda: there)
    monkeypatch.setenv(DEVICE_VARIABLE, "")  # so that what is set here ends with the test


@pytest.mark.parametrize(
    ("compute", "device", "told"),
    [
        ("cuda, threads 2", "cuda", f"cuda ({TWO[0]}), threads 2"),
        ("cuda, threads 2", "cuda:1", f"cuda ({TWO[1]}), threads 2"),
        ("cpu, threads 2", "cpu", "cpu, threads 2"),
        (
            "cpu, threads 2; evaluated on cuda, threads 1",
            "cuda:1",
            f"cpu, threads 2; evaluated on cuda ({TWO[1]}), threads 1",
        ),
        (
            f"cuda ({TWO[0]}), threads 2; evaluated on cuda, threads 1",
            "cuda:1",
            f"cuda ({TWO[0]}), threads 2; evaluated on cuda ({TWO[1]}), threads 1",
        ),
        ("cuda, threads 2; evaluated on cpu, threads 1", "cpu", "cuda, threads 2; evaluated on cpu, threads 1"),
        ("policy from outside", "cuda", "policy from outside"),
    ],
)
def test_a_row_names_the_card(compute: str, device: str, told: str) -> None:
    assert with_card(compute, device) == told
    assert without_card(told) == without_card(compute)


def test_the_number_of_a_card_is_no_part_of_a_runs_identity() -> None:
    assert [kind_of(device) for device in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda"]


@pytest.mark.parametrize(("device", "place"), [("cuda", "2"), ("cuda:0", "2"), ("cuda:1", "1"), ("cpu", "")])
def test_what_computes_draws(device: str, place: str) -> None:
    draw_on(device)
    assert os.environ[DEVICE_VARIABLE] == place


def test_what_was_asked_for_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVICE_VARIABLE, "0")
    draw_on("cuda:1")
    assert os.environ[DEVICE_VARIABLE] == "0"


def test_a_card_that_egl_does_not_name_leaves_the_choice_to_egl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "drawing_devices", lambda: (DrawingDevice(), DrawingDevice(is_software=True)))
    draw_on("cuda")
    assert os.environ[DEVICE_VARIABLE] == ""


@pytest.mark.render
def test_the_egl_of_this_machine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = cards.drawing_devices()
    if not found:
        pytest.skip("EGL lists no devices here")
    assert all(device.card is None or not device.is_software for device in found)
    assert cards.card_names() or any(device.is_software for device in found)
