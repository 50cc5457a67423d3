"""Many people at once: every answer is stored, and a page comes soon. `pytest -m slow`"""

import asyncio
import json
import random
import re
import time

import httpx
import numpy as np
import pytest
from web_site import field, make_places, served

from icl.human.pack import Pack
from icl.human.session import Session

pytestmark = pytest.mark.slow
CROWD = 50
ANSWERS = 8
THINKS = 4.0
"""Seconds between two answers of a simulated person, in the mean: fifty of them give twelve answers a second."""
WITHIN = 2.0
"""Seconds within which 95 of 100 pages are to come, on two cores that others may use as well."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return make_places(tmp_path_factory.mktemp("crowd"), shared=6, own=6, pool=24)


class Somebody:
    """A simulated person with a browser: loads a page and its pictures, thinks, answers."""

    def __init__(self, number, address, thinks):
        self.rng, self.protocol = random.Random(number), ("judge", "witness")[number % 2]
        self.thinks, self.seconds, self.sent = thinks, [], []
        self.client = httpx.AsyncClient(base_url=address, follow_redirects=True, timeout=60)

    async def timed(self, method, path, **given):
        start = time.perf_counter()
        page = await self.client.request(method, path, **given)
        self.seconds.append(time.perf_counter() - start)
        assert page.status_code == 200, page.text[:500]
        for picture in re.findall(r'src="(/session/[^"]*\.png)"', page.text):
            assert (await self.client.get(picture)).status_code == 200
        return page

    async def takes_part(self):
        async with self.client:
            await asyncio.sleep(self.rng.uniform(0, self.thinks))
            token = field((await self.timed("GET", "/take-part")).text, "token")
            page = await self.timed("POST", "/take-part", data=dict(token=token, consent="yes", protocol=self.protocol))
            self.code = page.url.path.split("/")[-1]
            for number in range(ANSWERS):
                await asyncio.sleep(self.rng.uniform(0, 2 * self.thinks))
                page = await self.answers(page, number)

    async def answers(self, page, number):
        form = {name: field(page.text, name, page.url.path) for name in ("token", "step")}
        if 'data-seconds="' in page.text:
            said = dict(answer="seen", text="")
        elif "<textarea" in page.text:
            said = dict(answer="described", text=f"somebody number {number} in a red coat")
        elif 'value="told"' in page.text:
            said = dict(answer="told", text=f"answer {number} of {self.code}")
        else:
            said = dict(answer=self.rng.choice(["yes", "no", "unsure"]), text="")
        sent = f"{page.url.path}/answer"
        if number == 3:  # a double click: one of the two is late
            both = await asyncio.gather(*(self.timed("POST", sent, data={**form, **said}) for _ in range(2)))
            page = max(both, key=lambda one: int(field(one.text, "step")))
        else:
            page = await self.timed("POST", sent, data={**form, **said})
        self.sent.append((said["answer"], said["text"]))
        return page


async def crowd(address, thinks):
    people = [Somebody(number, address, thinks) for number in range(CROWD)]
    await asyncio.gather(*(one.takes_part() for one in people))
    return people


@pytest.mark.parametrize("thinks", [pytest.param(THINKS, marks=pytest.mark.long), 0.0])
def test_fifty_people_at_once_lose_no_answer_and_wait_for_no_page(places, thinks, capsys):
    """Once as people answer, with pauses; once as fast as the server lets them, where only the answers are looked at."""
    with served(places) as address:
        people = asyncio.run(crowd(address, thinks))
    pack = Pack.open(places.pack)
    encoder = pack.encoder()
    for one in people:
        lines = [json.loads(line) for line in (places.sessions / f"{one.code}.jsonl").read_text().splitlines()]
        assert [(line["answer"], line["text"]) for line in lines[1:]] == one.sent and len(one.sent) == ANSWERS
        assert Session.open(pack, places.sessions, one.code, encoder).protocol == one.protocol
    assert len({one.code for one in people}) == CROWD
    seconds = np.array([s for one in people for s in one.seconds])
    p50, p95 = np.quantile(seconds, [0.5, 0.95])
    with capsys.disabled():
        print(f"\n{CROWD} people, {thinks} s apart: {len(seconds)} pages, p50 {p50:.3f} s, p95 {p95:.3f} s, ", end="")
        print(f"longest {seconds.max():.3f} s")
    assert p95 < WITHIN or not thinks
