"""Recorded shapes of the remote services, judged by the real adapters as their index says."""

import pytest

from tests.samples.judging import JUDGES, judge
from tests.samples.record import FOLDER, Sample, samples


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
async def test_a_recorded_answer_is_judged_as_it_should_be(sample: Sample) -> None:
    """By its status, headers and body alone."""
    assert await judge(sample.kind, sample.reply) == sample.judged


def test_the_index_leaves_no_sample_out() -> None:
    """Every folder has a line, and every kind of answer has samples."""
    folders = {path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*/body")}
    assert {sample.name for sample in samples()} == folders
    assert {sample.kind for sample in samples()} == set(JUDGES)
