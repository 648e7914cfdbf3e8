"""Every benchmark from the file that its authors publish to its scores, with models whose scores are known beforehand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evaluation.benchmarks.published import COLORS, MAKERS, karpathy, mmbench_rows, table
from omma.evaluation import Item, Scores, evaluate, judged, score
from omma.evaluation.benchmarks import BENCHMARKS
from omma.evaluation.benchmarks.mmstar import options_in
from omma.evaluation.items import items_hash
from omma.evaluation.models.scripted import scripted
from omma.model.output import Output

WORDS = {
    "vqav2": "\nWhich colour is thing 0?\nAnswer the question using a single word or phrase.",
    "textvqa": "\nwhat does the sign say?\nAnswer the question using a single word or phrase.",
    "gqa": "\nWhat is it, 0?\nAnswer the question using a single word or phrase.",
    "docvqa": "\nWhat is the total on line 0?\nAnswer the question using a single word or phrase.",
    "chartqa": "\nWhat is the value in 0?\nAnswer the question using a single word or phrase.",
    "scienceqa": "\nContext: N/A\nQuestion: Which one is it, 0?\nOptions: (A) a magnet (B) a magnet at rest\n"
    "Answer with the option's letter from the given choices directly.",
    "mmbench": "\nIt is plain.\nWhich colour is it?\nA. red\nB. black\nC. grey\nD. pink\n"
    "Answer with the option's letter from the given choices directly.",
    "mme": "\nIs it red? Please answer yes or no.",
    "mmstar": "\nWhich colour is it?\nOptions: A: black, B: red, C: grey, D: pink\n"
    "Answer with the option's letter from the given choices directly.",
    "pope": "\nIs there a red thing in the image?\nAnswer the question using a single word or phrase.",
    "hallusionbench": "\nIs 0 so in set 0?\nAnswer the question using a single word or phrase.",
    "amber": "\nDescribe this image.",
    "refcoco": "\nPlease provide the bounding box coordinate of the region this sentence describes: left one",
    "coco-captions": "\nProvide a one-sentence caption for the provided image.",
    "nlvr": "True or false: There is a red box.",
    "ocrbench": "\nwhat is written in the image?",
    "printed-lines": "\nWhat does it say?",
    "chair": "\nPlease describe this image in detail.",
    "scene-chair": "\nPlease describe this image in detail.",
    "scene-pope": "\nIs there an orange ring in the image?\nAnswer the question using a single word or phrase.",
}
COUNTS = {
    "vqav2": (6, 3), "textvqa": (3, 3), "gqa": (6, 3), "docvqa": (4, 3), "chartqa": (3, 3), "scienceqa": (5, 5), "mmbench": (15, 4),
    "mme": (18, 9), "mmstar": (4, 4), "pope": (8, 4), "hallusionbench": (13, 4), "amber": (6, 3), "refcoco": (6, 3),
    "coco-captions": (3, 3), "nlvr": (6, 3), "ocrbench": (3, 3), "printed-lines": (6, 3), "chair": (3, 3),
    "scene-chair": (4, 4), "scene-pope": (8, 4),
}  # fmt: skip


def made(config: dict[str, Any]) -> list[Item]:
    return BENCHMARKS.parse(config, where="benchmark").build().items()


def scored(items: list[Item], model: str) -> Scores:
    return score(judged(items, evaluate(scripted(model, items), items, variants=5)))


def figure(scores: Scores, name: str) -> float:
    (found,) = (figure for figure in scores.figures if figure.name == name)
    return found.value.value


def test_every_benchmark_has_a_file_here() -> None:
    own = {name for name in BENCHMARKS.names() if BENCHMARKS.get(name, where="").__module__.startswith("omma.")}
    assert set(MAKERS) == set(WORDS) == set(COUNTS) == own


@pytest.mark.parametrize("name", MAKERS)
def test_questions_are_put_in_the_published_words(name: str, tmp_path: Path) -> None:
    config = MAKERS[name](tmp_path)
    items = made(config)
    assert items[0].turns[0].text == WORDS[name]
    assert (len(items), len({item.cluster for item in items})) == COUNTS[name]
    assert {item.world for item in items} == {name} == {item.benchmark for item in items}
    assert not any(str(tmp_path) in f"{item.id} {item.cluster}" for item in items), "no paths of this machine in results"
    assert items_hash(items) == items_hash(made(config))
    assert len(set(items)) == len(items)


@pytest.mark.parametrize("name", MAKERS)
def test_who_knows_is_right_and_who_does_not_look_gains_nothing(name: str, tmp_path: Path) -> None:
    items = made(MAKERS[name](tmp_path))
    oracle = scored(items, "oracle").cell(name, items[0].split)
    assert oracle.accuracy.value == pytest.approx(1.0) and oracle.accuracy.low < 1.0
    assert (oracle.failed, oracle.unparsed) == (0, 0)
    assert oracle.blind is not None and oracle.blind.value == 0.0
    assert oracle.gain is not None and oracle.gain.value == pytest.approx(1.0)
    memorizer = scored(items, "memorizer").cell(name, items[0].split)
    assert memorizer.accuracy.value == pytest.approx(1.0)
    assert memorizer.gain is not None and memorizer.gain.value == 0.0
    assert memorizer.swapped is not None and memorizer.swapped.value == pytest.approx(1.0)
    guesser = scored(items, "guesser")
    cell = guesser.cell(name, items[0].split)
    assert cell.items == len(items) and cell.pictures == len({item.cluster for item in items})
    assert cell.gain is not None and cell.gain.value == 0.0, "a guess does not look"
    prior = scored(items, "blind-prior").cell(name, items[0].split)
    assert prior.majority == pytest.approx(prior.accuracy.value), "the constant answer, put as a model"


@pytest.mark.parametrize("name", MAKERS)
def test_figures_of_the_oracle(name: str, tmp_path: Path) -> None:
    items = made(MAKERS[name](tmp_path))
    scores = scored(items, "oracle")
    for found in scores.figures:
        assert found.value.low <= found.value.value <= found.value.high
        assert found.world == name
    perfect = {
        "gqa": {"accuracy after VQA normalisation": 1}, "scienceqa": {"accuracy with a picture": 1, "accuracy without a picture": 1},
        "mmbench": {"circular accuracy": 1, "circular accuracy, mean of categories": 1, "the same option named in every order": 1},
        "mme": {"existence score": 200, "count score": 200, "posters score": 200}, "mmstar": {"mean of categories": 1},
        "pope": {"F1 of yes": 1, "answered with yes": 0.5}, "hallusionbench": {"aAcc": 1, "qAcc": 1, "fAcc": 1},
        "amber": {"CHAIR": 0, "Cover": 1, "Hal": 0, "Cog": 0, "F1 of no": 1, "AMBER score": 100},
        "refcoco": {"Acc@0.9": 1, "centre in the box": 1, "no box with an area": 0}, "nlvr": {"consistency": 1},
        "coco-captions": {"BLEU-1": 1, "BLEU-4": 1, "ROUGE-L": 1}, "printed-lines": {"character error rate": 0},
        "chair": {"CHAIR_i": 0, "CHAIR_s": 0, "recall": 1}, "scene-chair": {"CHAIR_i": 0, "CHAIR_s": 0, "recall": 1},
        "scene-pope": {"F1 of yes": 1, "answered with yes": 0.5},
    }  # fmt: skip
    for wanted, value in perfect.get(name, {}).items():
        assert figure(scores, wanted) == pytest.approx(value), wanted
    if name == "hallusionbench":
        assert {f.name: f.blind is None for f in scores.figures}["fAcc"] is False


def test_the_error_rate_of_printed_lines_is_one_of_all_characters(tmp_path: Path) -> None:
    scores = scored(made(MAKERS["printed-lines"](tmp_path)), "yes-sayer")
    # "yes" for "00" and "X-0": three edits for every line, of five characters of two.
    assert figure(scores, "character error rate") == pytest.approx(6 / 5)
    (cell,) = (cell for cell in scores.cells if cell.kind is None)
    assert cell.accuracy.value == 0.0


def test_a_yes_sayer_on_pope_and_mme(tmp_path: Path) -> None:
    scores = scored(made(MAKERS["pope"](tmp_path)), "yes-sayer")
    assert figure(scores, "accuracy of yes and no") == 0.5
    assert figure(scores, "answered with yes") == 1.0
    assert figure(scores, "F1 of yes") == pytest.approx(2 / 3)
    (leaning,) = scores.leanings
    assert (leaning.yes, leaning.truly_yes) == (1.0, 0.5)
    mme = scored(made(MAKERS["mme"](tmp_path)), "yes-sayer")
    assert figure(mme, "existence score") == 50.0, "half the questions, and no picture with both"
    assert not any("perception" in found.name for found in mme.figures), "of three subtasks of ten there is no total"


def test_what_a_description_of_a_photograph_makes_up(tmp_path: Path) -> None:
    """What is outlined is there, and what people see: the taxi beside the dog. A hot dog is no dog."""
    items = made(MAKERS["chair"](tmp_path))
    assert [item.answer for item in items] == ["car, dog", "car, dog", "hot dog"], "and no question about an empty picture"
    says = ["A hound and hot dogs, hot dogs everywhere.", "Two taxis.", "Nothing at all"]
    replies = {item.id: Output(text) for item, text in zip(items, says, strict=True)}
    scores = score(judged(items, {"sighted": replies}, ["sighted"]))
    assert figure(scores, "CHAIR_i") == pytest.approx(2 / 4)
    assert figure(scores, "CHAIR_s") == pytest.approx(1 / 3)
    assert figure(scores, "recall") == pytest.approx(2 / 5)
    assert figure(scores, "words") == pytest.approx((8 + 2 + 3) / 3)
    # Credit: a third of the mentions, all of them, and nothing for silence.
    assert scores.cell("chair", "test").accuracy.value == pytest.approx((1 / 3 + 1 + 0) / 3)


def test_outlines_alone_say_what_is_there_without_captions(tmp_path: Path) -> None:
    config = MAKERS["chair"](tmp_path)
    del config["captions"]
    assert [item.answer for item in made(config)] == ["dog", "car, dog", "hot dog"]


def test_descriptions_of_scenes_are_held_against_colours_and_shapes_together() -> None:
    (item,) = made({"type": "scene-chair", "pictures": 1})
    assert item.answer == "blue triangle, green ring, orange ring, yellow ring, yellow triangle"
    # Blue is there, and so are rings; neither pink nor hearts are in any of the scenes asked about.
    says = "two yellow rings, a blue ring, a pink heart and a triangle"
    scores = score(judged([item], {"sighted": {item.id: Output(says)}}, ["sighted"]))
    assert figure(scores, "CHAIR_i") == pytest.approx(2 / 3) and figure(scores, "recall") == pytest.approx(1 / 5)


@pytest.mark.parametrize("negatives", ["random", "popular", "adversarial"])
def test_things_that_are_not_in_a_scene(negatives: str) -> None:
    items = made({"type": "scene-pope", "negatives": negatives, "pictures": 30})
    there = {item.cluster.split("/")[1]: item.answer for item in made({"type": "scene-chair", "pictures": 30})}
    for item in items:
        thing = item.question.split(" in the image")[0].removeprefix("Is there a").removeprefix("n").strip()
        assert (thing in there[item.cluster.split("/")[1]].split(", ")) == (item.answer == "yes")
    assert {item.split for item in items} == {negatives}
    scores = scored(items, "yes-sayer")
    assert figure(scores, "accuracy of yes and no") == 0.5 and figure(scores, "answered with yes") == 1.0


def test_another_seed_has_other_scenes() -> None:
    config = BENCHMARKS.parse({"type": "scene-pope", "pictures": 5}, where="benchmark")
    first, again, other = (config.build(seed=seed).items() for seed in (1, 1, 2))
    assert [item.id for item in first] == [item.id for item in again]
    assert {item.cluster for item in first}.isdisjoint(item.cluster for item in other)


def test_the_letter_moves_with_its_option(tmp_path: Path) -> None:
    items = made(MAKERS["mmbench"](tmp_path))
    for item in items:
        color = COLORS[int(item.groups["question"]) - 240]
        assert f"\n{item.answer}. {color}\n" in f"{item.question}\n"
    assert len({item.question for item in items}) == len(items)


def test_a_model_that_always_says_the_same_letter_is_never_right_in_every_order(tmp_path: Path) -> None:
    items = made(MAKERS["mmbench"](tmp_path))
    assert Counter(item.answer for item in items)["A"] == 4, "once for each question"
    scores = score(judged(items, {"sighted": {item.id: Output("A") for item in items}}, ["sighted"]))
    assert figure(scores, "circular accuracy") == 0.0
    assert figure(scores, "replies that say A") == 1.0
    assert figure(scores, "the same option named in every order") == 0.0


def test_rotations_that_the_file_has_already_are_taken_for_what_they_are(tmp_path: Path) -> None:
    plain = made(MAKERS["mmbench"](tmp_path))
    rows = []
    for row in mmbench_rows():
        options = [row[letter] for letter in "ABCD" if row[letter] != "nan"]
        for by in range(len(options)):
            turned = options[by:] + options[:by]
            copy = dict(row, index=row["index"] + 1_000_000 * by, answer="ABCD"[turned.index(options["ABCD".index(row["answer"])])])
            copy |= {letter: turned[place] if place < len(turned) else "nan" for place, letter in enumerate("ABCD")}
            if by:
                copy["image"] = str(row["index"])
            rows.append(copy)
    found = made({"type": "mmbench", "file": table(tmp_path / "circular.tsv", rows), "split": "dev"})
    assert [(item.id, item.question, item.answer) for item in found] == [(item.id, item.question, item.answer) for item in plain]
    once = made({"type": "mmbench", "file": table(tmp_path / "circular.tsv", rows), "circular": False})
    assert len(once) == 4 and scored(once, "oracle").figures == ()


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Which?\nOptions: A: The suitcase is on the book., B: The cat, C: 3, D: It is: no", ["The suitcase is on the book", "The cat", "3", "It is: no"]),
        ("Hint: Answer with the letter, e.g., A, B.\nQuestion: Find x.\nChoices:\n(A) 2\n(B) 4.5", ["2", "4.5"]),
        ("Who is it? (A) Ann (B) Bob (C) neither", ["Ann", "Bob", "neither"]),
        ("Which of these (see A) is it?", []),
        ("Options: B: one, C: two", []),
    ],
)  # fmt: skip
def test_options_within_a_question(question: str, options: list[str]) -> None:
    assert options_in(question) == options


def test_chartqa_is_the_mean_of_both_subsets(tmp_path: Path) -> None:
    human = MAKERS["chartqa"](tmp_path)
    items = [*made(human), *made(human | {"subset": "augmented"})[:1]]
    replies = {item.id: Output("13 " if item.kind == "augmented" else "2015") for item in items}
    scores = score(judged(items, {"sighted": replies}, ["sighted"]))
    assert figure(scores, "mean of human and augmented") == pytest.approx((1 / 3 + 1) / 2)
    assert scores.cell("chartqa", "test").accuracy.value == pytest.approx(2 / 4)


def test_karpathys_split_and_its_folders(tmp_path: Path) -> None:
    items = made(karpathy(tmp_path))
    assert [item.id for item in items] == ["coco-captions/test/500", "coco-captions/test/501"]
    one = made(karpathy(tmp_path) | {"pictures": 1})
    # The document frequencies are those of the whole split: one picture alone would score nothing.
    scores = scored(one, "oracle")
    assert figure(scores, "CIDEr-D") > 1


def test_people_may_say_nothing(tmp_path: Path) -> None:
    config = MAKERS["textvqa"](tmp_path)
    document = json.loads(Path(config["file"]).read_text())
    document["data"][0]["answers"] = ["", "nan", "nan", "nan", "nan"] + [""] * 5
    Path(config["file"]).write_text(json.dumps(document))
    items = made(config)
    assert items[0].answer == "nan", "a word of English, and no number"
    assert items[0].truth is not None and items[0].truth.answers.count("") == 6
    results = judged(items, {"sighted": {item.id: Output("nan") for item in items}}, ["sighted"])
    assert [result.sighted.credit for result in results] == [1.0, 0.0, 0.0]
    silent = judged(items, {"sighted": {item.id: Output("") for item in items}}, ["sighted"])
    assert [result.sighted.credit for result in silent] == [0.0, 0.0, 0.0], "though six people said nothing, too"


def test_only_the_first_pictures_and_words_of_ones_own(tmp_path: Path) -> None:
    config = MAKERS["pope"](tmp_path)
    assert len(made(config | {"pictures": 2})) == 4
    own = made(config | {"prompt": "{question} Yes or no?"})
    assert own[0].question == "Is there a red thing in the image? Yes or no?"
    only = made(MAKERS["scienceqa"](tmp_path) | {"only_pictures": True})
    assert len(only) == 3 and all(item.images for item in only)


def test_readings_and_frames_change_what_the_questions_are(tmp_path: Path) -> None:
    pope = MAKERS["pope"](tmp_path)
    assert items_hash(made(pope)) != items_hash(made(pope | {"reading": "pope-original"}))
    boxes = MAKERS["refcoco"](tmp_path)
    first, thousandths = made(boxes)[0], made(boxes | {"frame": "thousandths"})[0]
    assert first.answer == "[0.016, 0.156, 0.469, 0.750]", "on the square that 640 x 480 is padded to"
    assert thousandths.answer == "[16, 42, 469, 833]"
    assert items_hash([first]) != items_hash([thousandths])


def test_the_real_nlvr(shared_data) -> None:
    items = made({"type": "nlvr", "folder": str(shared_data("nlvr")), "pictures": 4})
    assert len({item.cluster for item in items}) == 4
    assert {len(item.images) for item in items} == {3}
    assert {item.answer for item in items} <= {"true", "false"}
