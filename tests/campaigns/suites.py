"""Suites that share their training, one that does not, and a second learner: for tests of campaigns."""

from __future__ import annotations

from dataclasses import replace

from harness.spec import Setting
from harness.testing import SUITE, Backdrop
from tests.harness.learner import AGENT

NOISY, NOISIER = Setting("noisy", (Backdrop(noise=12.0),)), Setting("noisier", (Backdrop(noise=40.0),))
EASY = replace(SUITE, name="dots_easy", settings=(NOISY,))
HARD = replace(SUITE, name="dots_hard", version=3, settings=(NOISIER,), views={})
NOISY_TRAINING = replace(SUITE, name="dots_noisy", train=Setting("train", (Backdrop(noise=1.0),)))

SECOND = replace(AGENT, name="second", version=2)
SECOND_AGAIN = replace(SECOND, description="the same name")
