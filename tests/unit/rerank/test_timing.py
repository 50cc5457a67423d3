"""Time per query: median, spread and steadiness, on clocks that the tests turn by hand."""

import pytest
from fake_servers import MLLMServer

from icl.mllm.backends.facts import vllm_caches
from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import Request
from icl.mllm.settings import MLLMSettings
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.split import Split
from icl.rerank.timing import STAGES, Load, Watch, cache_words, machine_seconds, time_of, unsteadiness, untimed


class Clocks:
    """Wall time, this process' CPU time, and that of all processes."""

    def __init__(self, own=1.0, others=0.0):
        self.wall = self.mine = self.all = 0.0
        self.own, self.others = own, others

    def pass_time(self, seconds):
        self.wall += seconds
        self.mine += self.own * seconds
        self.all += (self.own + self.others) * seconds

    def watch(self):
        return Watch(lambda: self.wall, lambda: self.mine, lambda: self.all)


def timed(passes, clocks=None, **more):
    """`time_of` runs of 4 of 10 queries; the first run and those of single queries are not among `passes`."""
    clocks, seconds, asked = clocks or Clocks(), iter([50.0, *passes]), []

    def run(queries):
        asked.append(queries)
        span = next(seconds) if len(queries) > 1 else 0.1 * queries[0]
        clocks.pass_time(span)
        return {"localisation": 0.75 * span, "vqa": 0.25 * span}

    return time_of(run, {"vqa": 8}, 10, 4, len(passes), watch=clocks.watch, **more), asked


def test_the_median_pass_is_told_with_its_split_and_the_range():
    found, asked = timed([2.0, 8.0, 1.6])
    assert asked == [[0, 3, 6, 9]] * 4 + [[0], [3], [6], [9]], "one uncounted pass, three, and each query alone"
    assert found["seconds_per_query"] == pytest.approx(0.5)
    assert sum(found["split"].values()) == pytest.approx(0.5) and found["split"]["vqa"] == pytest.approx(0.125)
    assert (found["seconds_low"], found["seconds_high"]) == pytest.approx((0.4, 2.0))
    assert found["spread"] == pytest.approx((2.0 - 0.4) / 0.5)
    assert (found["passes"], found["timed_together"], found["timed_alone"], found["queries"]) == (3, 4, 4, 10)
    assert found["p50"] == pytest.approx(0.45) and found["p95"] == pytest.approx(0.855)


def test_of_an_even_number_a_real_pass_is_told():
    found, _ = timed([4.0, 2.0])
    assert found["seconds_per_query"] == pytest.approx(0.5) == sum(found["split"].values())


def test_one_pass_has_no_spread():
    found, _ = timed([4.0])
    assert found["spread"] is None and found["unsteady"] == ""


@pytest.mark.parametrize("passes, word", [([2.0, 2.2, 2.4], ""), ([2.0, 2.0, 2.6], "passes differ by 30%")])
def test_passes_that_differ_make_a_time_unsteady(passes, word):
    assert timed(passes)[0]["unsteady"] == word


def test_others_who_compute_meanwhile_make_a_time_unsteady_and_a_server_of_ones_own_does_not(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    busy, _ = timed([2.0, 2.0], Clocks(own=1.5, others=0.9))
    assert (busy["own_load"], busy["others_load"], busy["cores"]) == (pytest.approx(1.5), pytest.approx(0.9), 4)
    assert busy["unsteady"] == "other processes used 0.9 of 4 cores"
    quiet, _ = timed([2.0, 2.0], Clocks(own=1.5, others=0.3))
    assert quiet["unsteady"] == "", "less than a tenth of the machine"
    served, _ = timed([2.0, 2.0], Clocks(own=0.1, others=1.9), local=False)
    assert served["unsteady"] == "" and served["others_load"] == pytest.approx(1.9)
    assert timed([2.0, 3.0], Clocks(others=0.9), local=False)[0]["unsteady"] == "passes differ by 50%"


def test_both_reasons_are_told():
    assert unsteadiness(0.5, Load(1.0, 1.0, 2), True) == "passes differ by 50%; other processes used 1.0 of 2 cores"


def test_a_machine_that_counts_nothing_leaves_the_others_unknown():
    for count in (lambda: None, lambda: 7.0):
        load = Watch(iter([0.0, 2.0]).__next__, iter([0.0, 1.0]).__next__, count).load()
        assert (load.own, load.others) == (0.5, None)
    assert unsteadiness(0.0, Load(1.0, None, 2), True) == ""


def test_this_machine_counts_at_least_this_process():
    before = machine_seconds()
    if before is None:
        pytest.skip("psutil is not installed")
    assert before > 0


def test_the_whole_split_can_be_timed_without_any_query_alone():
    asked = []

    def run(queries):
        asked.append(len(queries))
        return {"reranking": 3.0}

    found = time_of(run, {}, 3, None, 2, watch=Clocks().watch)
    assert asked == [3, 3, 3] and found["seconds_per_query"] == pytest.approx(1.0)
    assert (found["p50"], found["timed_alone"], found["split"]["vqa"]) == (None, 0, 0.0)


def test_a_replay_has_the_same_form_and_no_seconds():
    found = untimed({"vqa": 8}, 10)
    assert found.keys() == timed([1.0])[0].keys() and set(found["split"]) == set(STAGES)
    assert found["seconds_per_query"] is None and found["calls"] == {"vqa": 8}


@pytest.mark.parametrize(
    "cached, words", [(None, "not told"), (0, "0% of prompt tokens"), (30, "75% of prompt tokens")]
)
def test_a_time_through_a_server_says_what_came_from_its_cache(cached, words):
    """This process cannot empty it; of 40 prompt tokens a question, the stand-in says how many it had."""
    with MLLMServer(lambda *question: ("A man.", None), cached=cached) as server:
        mllm = MLLMSettings(backend="openai", url=f"{server.url}/v1", model="synthvl")
        backend = open_backend(mllm)
        split = Split(None, ["a", "b", "c"], [], None, None, backend, mllm, THISettings(), RerankSettings())
        backend.answer([Request("aggregate", "before the timing", None, 9)])

        def run(queries):
            backend.answer([Request("aggregate", str(query), None, 9) for query in queries])
            return {"aggregation": 0.1}

        assert split.timed(run, {}, 2, 2)["server_cache"] == words


def test_without_a_server_there_is_no_cache_to_speak_of():
    assert timed([2.0])[0]["server_cache"] == "" == untimed({}, 3)["server_cache"]


def test_vllm_counts_prompts_and_images_itself():
    """On a page of its own, by engine; its replies tell nothing by default."""
    page = """# HELP vllm:prefix_cache_hits_total Prefix cache hits
vllm:prefix_cache_queries_total{engine="0",model_name="a"} 4000.0
vllm:prefix_cache_queries_total{engine="1",model_name="a"} 1.0e+03
vllm:prefix_cache_queries_created{engine="0",model_name="a"} 1.79e+09
vllm:prefix_cache_hits_total{engine="0",model_name="a"} 1000.0
vllm:external_prefix_cache_hits_total{engine="0",model_name="a"} 7.0
vllm:mm_cache_queries_total{engine="0",model_name="a"} 80.0
vllm:mm_cache_hits_total{engine="0",model_name="a"} 60.0
"""
    assert vllm_caches(page) == {"prompt tokens": (5000, 1000), "images": (80, 60)}
    assert cache_words({"prompt tokens": (4000, 1000), "images": (0, 0)}, vllm_caches(page)) == (
        "0% of prompt tokens, 75% of images"
    )
    assert (
        vllm_caches("") == {"prompt tokens": (0, 0), "images": (0, 0)}
        and cache_words({}, vllm_caches("")) == "not told"
    )
