"""What LLMs write around an answer, or instead of one: each text with what is to be read in it."""

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from icl.mllm import prompts, reading
from icl.mllm.cleaning import is_no_description, is_refusal, list_literal, spoken, unwrapped
from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.rda.augmentation import augment
from icl.rda.settings import RDASettings

MAN = "A man in a red coat walks with a black backpack."
SUBTEXTS = [MAN, "The person is male.", "He wears a red coat."]

WRAPPED = {
    "thinking": f"<think>The user wants one text.\nLet me see.</think>\n\n{MAN}",
    "thinking without its beginning": f"I merge them.\n</think>\n{MAN}",
    "thinking after it": f"{MAN}\n<think>Is that all?",
    "thinking in other tags": f"<thinking>hm</thinking>{MAN}",
    "thinking in brackets": f"[THINK]hm[/THINK]{MAN}",
    "Kimi's thinking": f"◁think▷hm◁/think▷{MAN}",
    "channels": f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{MAN}<|return|>",
    "answer tags": f"<think>hm</think><answer>\n{MAN}\n</answer>",
    "the chat's own tokens": f"{MAN}<|im_end|>\n<|endoftext|>",
    "a box": f"<|begin_of_box|>{MAN}<|end_of_box|>",
    "a lead-in": f"Sure! Here is the aggregated text:\n\n{MAN}",
    "a lead-in on the line": f"Here is the merged description: {MAN}",
    "a lead-in with an apostrophe": f"Certainly, here’s an aggregated version of the sub-texts: {MAN}",
    "a lead-in without a colon": f"Here is the aggregated description of the person.\n{MAN}",
    "a word of assent": f"Certainly! {MAN}",
    "a label": f"Output: {MAN}",
    "a bold label": f"**Output:** {MAN}",
    "a bold label, its colon outside": f"**Aggregated sentences**: {MAN}",
    "a heading": f"### Aggregated description\n\n{MAN}",
    "a longer label": f"The final merged description: {MAN}",
    "a turn's name": f"Assistant: {MAN}",
    "bold": f"**{MAN}**",
    "bold words": MAN.replace("red coat", "**red coat**"),
    "quotes": f'"{MAN}"',
    "curly quotes": f"“{MAN}”",
    "single quotes": f"'{MAN}'",
    "quotes in bold": f'**"{MAN}"**',
    "a fence": f"```\n{MAN}\n```",
    "a fence with a language": f"```text\n{MAN}\n```",
    "a fence that was cut": f"```\n{MAN}",
    "a fence after a lead-in": f"Sure, here is the text:\n```\n{MAN}\n```\nLet me know if you need anything else!",
    "a parting": f"{MAN}\n\nI hope this helps!",
    "a note": f"{MAN}\n\nNote: I left out what was said twice.\nIt was much.",
    "a note in brackets": f"{MAN}\n\n(Note: nothing was added.)",
    "an echo before it": f"{SUBTEXTS}\n{MAN}",
    "an echo with labels": f"Subtexts: {SUBTEXTS}\n\nOutput: {MAN}",
    "an echo twice": f"{SUBTEXTS}\n{SUBTEXTS}\n{MAN}",
    "an object": '{"output": "' + MAN + '"}',
    "an object in a fence": '```json\n{"text": "' + MAN + '"}\n```',
    "a list of one": f'["{MAN}"]',
    "blanks": f"\n  {MAN} \n",
}

NO_ANSWER = {
    "nothing": "",
    "blanks": " \n\t",
    "marks": "**...**",
    "thinking alone": "<think>A man in a red",
    "analysis alone": "<|channel|>analysis<|message|>A man in a red",
    "sorry": "I'm sorry, but I can't help with identifying people in images.",
    "sorry, curly": "I’m sorry, but I can’t assist with that.",
    "sorry, short": "Sorry, I cannot do that.",
    "apology": "I apologize, but I am unable to merge these texts.",
    "very sorry": "I am very sorry, but as a language model I have no eyes.",
    "an AI": "As an AI language model, I don't have the ability to see images.",
    "cannot assist": "I cannot assist with this request.",
    "unable": "I'm unable to provide descriptions of real people.",
    "not able": "I am not able to identify the person.",
    "unfortunately": "Unfortunately, I can't fulfill this request.",
    "declines": "I must respectfully decline.",
    "wants more": "Please provide the subtexts that you want to have aggregated.",
    "policy": "This request violates our usage policies.",
    "in Chinese": "抱歉，我无法识别图片中的人物。",
    "in bold": "**I'm sorry, but I can't help with that.**",
    "in thinking tags": "<think>This is a person.</think>I'm sorry, but I can't help with that.",
    "after a lead-in": "Sure! Here is the text: I'm sorry, but I cannot help with that.",
    "musing without tags": "Okay, let's see. The user wants me to merge the sub-texts into one description.",
    "musing": "First, I need to list what is in the sub-texts.",
    "the echo": str(SUBTEXTS),
    "the echo in a fence": f"```python\n{SUBTEXTS}\n```",
    "the echo, cut": str(SUBTEXTS)[:-20],
    "the echo's label": f"Subtexts: {SUBTEXTS}",
    "an empty list": "[]",
}

ORDINARY = [
    "A man whose shirt says sorry walks with a phone.",
    "A sorry-looking man in a wet coat can't be missed.",
    'The shirt reads "I can\'t help it" in white letters.',
    'The shirt reads "Nike".',
    '"Nike" is on the shirt and "Puma" on the cap.',
    "Here is a man wearing a shirt with the text: Nike.",
    "A woman of 25 to 30 years, size 4.5 shoes, on the 2. floor.",
    "Upper body: a red jacket. Lower body: blue jeans.",
    "He wears 2 bags. 3 people stand behind him.",
    "The image shows a police officer who is not allowed to sit.",
    "Unfortunately for him, the man has lost one shoe.",
    "An assistant in an office carries a box of notes.",
    "A man.\nHe wears a hat.\n\nHe walks.",
    "Sure-footed, the woman climbs the stairs.",
    "The person's name tag says: Output.",
    "The man's coat is the boy's",
    "[Blurred] a woman with a bag",
    "<3 is printed on the shirt",
    "A $5 hat & 100% wool *scarf",
    "一个穿红色外套的男人。",
    "A man 👨🏽‍🦱 in a naïve café shirt",
]


@pytest.mark.parametrize("name", WRAPPED)
def test_what_stands_around_an_answer_is_taken_off(name):
    assert reading.merged_text(WRAPPED[name], SUBTEXTS) == MAN


@pytest.mark.parametrize("name", NO_ANSWER)
def test_what_is_no_answer_is_none(name):
    assert reading.merged_text(NO_ANSWER[name], SUBTEXTS) == ""


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_captions_stay_to_the_letter(text):
    assert reading.merged_text(text, SUBTEXTS) == text == unwrapped(text)
    assert not is_refusal(text)


def test_a_text_in_pieces_is_joined():
    assert reading.merged_text('["A man in red.", "He walks."]', SUBTEXTS) == "A man in red. He walks."


LISTS = {
    "lines": ("1. The man walks.\n2. He is tall.", ["The man walks.", "He is tall."]),
    "one line": ("1. a 2. b 3. c", ["a", "b", "c"]),
    "one line of sentences": ("1. The man walks. 2. He is tall. 3. He waves.", ["The man walks.", "He is tall.", "He waves."]),
    "one line, no blanks": ("1.The man walks.2.He is tall.", ["The man walks.", "He is tall."]),
    "one line after a lead-in": ("Here are the sentences: 1. The man walks. 2. He is tall.", ["The man walks.", "He is tall."]),
    "brackets": ("1) The man walks. 2) He is tall.", ["The man walks.", "He is tall."]),
    "both brackets": ("(1) The man walks. (2) He is tall.", ["The man walks.", "He is tall."]),
    "bold numbers": ("**1.** The man walks. **2.** He is tall.", ["The man walks.", "He is tall."]),
    "two lines of several": ("1. a1 2. b2\n3. c3 4. d4", ["a1", "b2", "c3", "d4"]),
    "from nine on": ("9. The man walks. 10. He is tall.", ["The man walks.", "He is tall."]),
    "a size": ("1. He wears size 4.5 shoes.\n2. He is tall.", ["He wears size 4.5 shoes.", "He is tall."]),
    "a floor": ("1. He stands on the 2. floor.", ["He stands on the 2. floor."]),
    "a floor, then the second": ("1. He is at 2. avenue.\n2. He is tall.", ["He is at 2. avenue.", "He is tall."]),
    "a number that is not the next": ("1. He has 3. and so on.", ["He has 3. and so on."]),
    "a length": ("1. 1.5 m of scarf\n2. red", ["1.5 m of scarf", "red"]),
    "a time on a line": ("10:30 is on the clock.", []),
    "a length on a line": ("4.5 cm of heel", []),
    "bullets": ("- The man walks.\n- He is tall.", ["The man walks.", "He is tall."]),
    "stars": ("* The man walks.\n* He is tall.", ["The man walks.", "He is tall."]),
    "a Python list": ("['The man walks.', 'He is tall.']", ["The man walks.", "He is tall."]),
    "a JSON list in a fence": ('```json\n["The man walks.", "He\'s tall."]\n```', ["The man walks.", "He's tall."]),
    "quotes": ('1. "The man walks."\n2. “He is tall.”', ["The man walks.", "He is tall."]),
    "bold": ("1. **The man walks.**\n2. **Height:** tall", ["The man walks.", "Height: tall"]),
    "a fence": ("```\n1. The man walks.\n2. He is tall.\n```\nI hope this helps!", ["The man walks.", "He is tall."]),
    "thinking with a list": ("<think>1. no\n2. no</think>1. The man walks.\n2. He is tall.", ["The man walks.", "He is tall."]),
    "a note among them": ("1. The man walks.\nNote: he is old.\n2. He is tall.", ["The man walks.", "He is tall."]),
    "a refusal among them": ("1. I'm sorry, but I can't tell.\n2. He is tall.", ["He is tall."]),
    "a refusal before": ("I can't identify people, but:\n1. The man walks.\n2. He is tall.", ["The man walks.", "He is tall."]),
    "empty ones": ("1.\n2. **\n3. He is tall.", ["He is tall."]),
    "empty ones on a line": ("14. 15. ", []),
    "no list": ("The man walks.", []),
    "a refusal": ("I'm sorry, but I can't help with that.", []),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_every_form(name):
    answer, items = LISTS[name]
    assert reading.listed(answer) == items


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("I'm sorry, but I can't identify the person in this image.", []),
        ("As an AI, I cannot see images.", []),
        ("1. Yes,the shirt is red 2. No, none", ["The shirt is red.", "None."]),
        ("I don't see a hat. The person is male.", ["I don't see a hat. The person is male."]),
        ("1. I don't see a hat.\n2. male", ["I don't see a hat.", "Male."]),
        ("<think>1. Yes</think>The person is male.", ["The person is male."]),
        ("Sure! Here are the answers:\n1. male\n2. Yes, a hat", ["Male.", "A hat."]),
        ("14. \n15.", []),
    ],
)
def test_sub_texts_of_odd_answers(answer, expected):
    assert reading.vqa_subtexts(answer) == expected


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ("\nNo", False),
        ("**No**", False),
        ("<think>Yes, it may be.</think>No", False),
        ("<think>No, no.</think>\n\nYes.", True),
        ("so no.</think>Yes", True),
        ("<think>Yes", False),
        ("<|channel|>analysis<|message|>No?<|end|><|start|>assistant<|channel|>final<|message|>Yes", True),
        ("<answer>Yes</answer>", True),
        ("The answer is No, not Yes.", False),
    ],
)
def test_verdicts_in_words(answer, yes):
    assert reading.is_yes(answer) is yes


def test_the_published_reading_stays_as_published():
    is_yes, subtexts, merged = reading.READINGS["published"]
    assert is_yes("<think>eyes</think>No") and merged("I'm sorry, but I can't", []) == "I'm sorry, but I can't"
    assert subtexts("I'm sorry. I can't. 1. x") == ["I can't."]


class Refuser:
    """Refuses what it is told to; answers the rest in its form."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused

    def identity(self, task):
        return {}

    def answer(self, requests):
        good = {"vqa": "1. male", "aggregate": "The man wears a red hat.", "decompose": "1. The man wears a red hat."}
        good["rewrite"] = "1. He has a red hat on, the man."
        sorry = "I'm sorry, but I can't assist with that."
        return [Answer(sorry if r.task in self.refused else good[r.task]) for r in requests]


@pytest.mark.parametrize("task", ["vqa", "aggregate", "decompose", "rewrite"])
def test_rda_never_trains_on_a_refusal_and_counts_it(task):
    rows = pd.DataFrame(dict(split="train", pid=[0], image_id=[0], image=["0.jpg"], caption_id=[0], caption=["A man."]))
    found = augment(rows, Path("root"), Refuser(task), MLLMSettings(), RDASettings(variants=2))[0]
    assert "sorry" not in str(found) and found["fallbacks"][task] >= 1
    others = {kind: n for kind, n in found["fallbacks"].items() if kind not in (task, "rewrite")}
    assert not any(others.values()) and all(variants for variants in found["diversity_captions"])


def test_a_shard_without_rows_is_empty():
    rows = pd.DataFrame(dict(split=[], pid=[], image_id=[], image=[], caption_id=[], caption=[]))
    assert augment(rows, Path("root"), Refuser(), MLLMSettings(), RDASettings()) == []


any_text = st.text(st.characters(exclude_categories=()), max_size=200)
"""Surrogates too: JSON can hold halves of characters."""
HABITS = [
    "<think>",
    "</think>",
    "```",
    "\n",
    "1. ",
    "2. ",
    " 3. ",
    "**",
    '"',
    "'",
    "[",
    "]",
    "['a', ",
    "{",
    "}",
    "\ud800",
    "“",
]
HABITS += [
    "Output:",
    "Sure! ",
    "I'm sorry, ",
    "but I can't",
    "Here is the text:",
    "Yes, ",
    "No",
    " a man",
    "Note: ",
    "- ",
]
habits = st.lists(st.sampled_from([*HABITS, "<|channel|>final<|message|>"]), max_size=14).map("".join)


@settings(max_examples=400, deadline=None)
@given(any_text | habits)
@example("[" * 3000)
@example('["' + "]" * 5000)
@example('[""]' * 3000 + "x")
@example("\ud83d" + "\ude00")
@example("1. " * 50)
def test_every_reader_takes_every_text(text):
    merged = reading.merged_text(text, [text, "a"])
    items, subtexts = reading.listed(text), reading.vqa_subtexts(text)
    for found in (merged, spoken(text), unwrapped(text), *items, *subtexts):
        found.encode()  # what is read can be tokenized and stored
    assert all(re.search(r"\w", found) for found in items + subtexts)
    assert merged == "" or not is_no_description(merged)
    assert unwrapped(unwrapped(text)) == unwrapped(text) and spoken(spoken(text)) in spoken(text)
    if reading.is_yes(text):
        assert reading.says_yes_or_no(text)
    reading.vqa_subtexts_published(text), reading.is_yes_published(text), list_literal(text)


@given(any_text, st.lists(any_text, max_size=3))
def test_every_text_can_be_put_into_a_prompt(caption, subtexts):
    for text in (
        prompts.localise_text(caption),
        prompts.aggregate_text(caption, subtexts),
        prompts.decompose_text(caption),
        prompts.rewrite_text(caption, 5),
    ):
        text.encode()
        assert "<|" not in text, "no text ends a turn of the chat"


@pytest.mark.parametrize(
    "caption", ["{caption}", "{text} and {sentence}", "{m}", "a {subtexts} b", r"\1 \g<0>", "100% {}"]
)
def test_braces_and_backslashes_are_words(caption):
    assert prompts.localise_text(caption).split("\n")[1] == f"Text: {caption}"
    assert prompts.rewrite_text(caption, 5).count(caption) == 1


words = st.from_regex(
    r"(The|A|He|She) (man|woman|person|coat|bag|hat) (is|has|wears) [a-z]{3,9}( [a-z]{3,9}){0,4}\.", fullmatch=True
)


@given(st.lists(words, min_size=1, max_size=15))
def test_plain_lists_are_read_alike_on_lines_and_on_one(items):
    numbered = [f"{n}. {item}" for n, item in enumerate(items, 1)]
    assert reading.listed("\n".join(numbered)) == items == reading.listed(" ".join(numbered))


@given(
    st.lists(words, min_size=1, max_size=6).map(" ".join), st.sampled_from([n for n in WRAPPED if MAN in WRAPPED[n]])
)
def test_any_plain_text_is_found_in_any_wrapping(text, name):
    assert reading.merged_text(WRAPPED[name].replace(MAN, text), [text, *SUBTEXTS[1:]]) == text
