"""`make fuzz`: changed answers for as long as one likes, and how many of them were judged wrongly.

FUZZ_FOR is how long (seconds), FUZZ_SEED where to begin; a complaint names the change, which is the same one each time.
"""

import asyncio
import logging
import os
import sys
import time

from tests.fuzz.mutations import KINDS, Mutation
from tests.fuzz.routes import ROUTES
from tests.fuzz.test_fields import SAMPLES, as_received, wrongly_judged
from tests.fuzz.worlds import BROKEN, run


async def _judge_samples(mutation: Mutation) -> list[str]:
    """Every recorded answer, changed, judged by the adapters alone."""
    wrong = [await wrongly_judged(sample, mutation.changer()(as_received(sample)), mutation) for sample in SAMPLES]
    return [complaint for complaint in wrong if complaint]


def main() -> int:
    """Change answers until the time is over; 1 if any was judged wrongly."""
    ends = time.monotonic() + float(os.environ.get("FUZZ_FOR") or 60)
    first = seed = int(os.environ.get("FUZZ_SEED") or 1)
    logging.disable(logging.CRITICAL)
    answers = runs = wrong = 0
    kinds = [*KINDS, "storm"]
    while time.monotonic() < ends:
        for number, route in enumerate(ROUTES):
            mutation = Mutation(kind=kinds[(seed + number) % len(kinds)], seed=seed)
            broken = (None, None, *BROKEN)[seed % (2 + len(BROKEN))]
            done = asyncio.run(run(route, mutation, broken=broken))
            answers, runs = answers + done.changed, runs + 1
            for complaint in sorted(set(done.wrong)):
                print(f"WRONG {done}: {complaint}")
            wrong += bool(done.wrong)
        for kind in KINDS:
            complaints = asyncio.run(_judge_samples(Mutation(kind=kind, seed=seed)))
            answers, wrong = answers + len(SAMPLES), wrong + len(complaints)
            for complaint in complaints:
                print(f"WRONG {complaint}")
        seed += 1
    print(
        f"fuzz: {answers} answers changed (seeds {first} to {seed - 1}, {runs} runs of the daemon), {wrong} judged wrongly"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
