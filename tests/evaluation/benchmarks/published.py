"""Tiny files in the format of every published benchmark, as their authors lay them out."""

from __future__ import annotations

import base64
import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Config = dict[str, Any]
COLORS = ("red", "green", "blue", "orange", "purple", "white")


def encoded(color: str, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, kind)
    return buffer.getvalue()


def picture(path: Path, color: str, size: tuple[int, int] = (40, 30)) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(color, size, "JPEG" if path.suffix == ".jpg" else "PNG"))
    return path.name


def write(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def lines(path: Path, records: list[Any]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def table(path: Path, rows: list[dict[str, Any]]) -> str:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def vqav2(at: Path) -> Config:
    for number, color in enumerate(COLORS[:3]):
        picture(at / "images" / f"COCO_val2014_{number:012d}.jpg", color)
    questions = [{"image_id": n // 2, "question": f"Which colour is thing {n}?", "question_id": 100 + n} for n in range(6)]
    people = [["red"] * 10, ["2"] * 6 + ["two"] * 4, ["green"] * 5 + ["lime"] * 5, ["yes"] * 10, ["blue"] * 8 + ["navy"] * 2, ["no"] * 10]
    kinds = ["other", "number", "other", "yes/no", "other", "yes/no"]
    annotations = [
        {
            "question_id": q["question_id"], "image_id": q["image_id"], "question_type": "which", "answer_type": kind,
            "multiple_choice_answer": max(answers, key=answers.count),
            "answers": [{"answer": a, "answer_confidence": "yes", "answer_id": i} for i, a in enumerate(answers, 1)],
        }
        for q, answers, kind in zip(questions, people, kinds, strict=True)
    ]  # fmt: skip
    head = {"info": {}, "license": {}, "data_subtype": "val2014"}
    return {
        "type": "vqav2", "images": str(at / "images"),
        "file": write(at / "questions.json", head | {"questions": questions, "task_type": "Open-Ended"}),
        "annotations": write(at / "annotations.json", head | {"annotations": annotations}),
    }  # fmt: skip


def textvqa(at: Path) -> Config:
    for color in COLORS[:3]:
        picture(at / "images" / f"{color}.jpg", color)
    data = [
        {
            "image_id": color, "question_id": number, "question": "what does the sign say?", "image_width": 40,
            "image_height": 30, "answers": [color.upper()] * 7 + ["nothing"] * 3, "set_name": "val",
        }
        for number, color in enumerate(COLORS[:3])
    ]  # fmt: skip
    return {"type": "textvqa", "images": str(at / "images"), "file": write(at / "val.json", {"dataset_type": "val", "data": data})}


def gqa(at: Path) -> Config:
    for color in COLORS[:3]:
        picture(at / "images" / f"n{color}.jpg", color)
    records = {
        f"20{n}": {
            "imageId": f"n{COLORS[n % 3]}", "question": f"What is it, {n}?", "answer": f"thing {n}", "fullAnswer": "It is.",
            "isBalanced": True, "types": {"detailed": "d", "semantic": "obj", "structural": "query" if n % 2 else "verify"},
        }
        for n in range(6)
    }  # fmt: skip
    return {"type": "gqa", "images": str(at / "images"), "file": write(at / "testdev.json", records)}


def docvqa(at: Path) -> Config:
    for number, color in enumerate(COLORS[:3]):
        picture(at / "images" / "documents" / f"page_{number}.png", color)
    data = [
        {
            "questionId": 300 + n, "question": f"What is the total on line {n}?", "question_types": ["table/list", "form"] if n else ["layout"],
            "image": f"documents/page_{n % 3}.png", "docId": n % 3, "ucsf_document_id": "x", "ucsf_document_page_no": "1",
            "answers": [f"$ {n},000", f"{n},000"], "data_split": "val",
        }
        for n in range(4)
    ]  # fmt: skip
    whole = {"dataset_name": "SP-DocVQA", "dataset_split": "val", "dataset_version": "1.0", "data": data}
    return {"type": "docvqa", "images": str(at / "images"), "file": write(at / "val_v1.0_withQT.json", whole), "split": "val"}


def chartqa(at: Path) -> Config:
    for number, color in enumerate(COLORS[:3]):
        picture(at / "png" / f"{number}.png", color)
    records = [{"imgname": f"{n}.png", "query": f"What is the value in {n}?", "label": label} for n, label in enumerate(("12.5", "Yes", "2015"))]
    return {"type": "chartqa", "images": str(at / "png"), "file": write(at / "test_human.json", records), "subset": "human"}


def scienceqa(at: Path) -> Config:
    problems = {}
    for number in range(6):
        split = "test" if number < 5 else "train"
        seen = number % 2 == 0
        if seen:
            picture(at / "images" / split / str(number) / "image.png", COLORS[number])
        problems[str(number)] = {
            "question": f"Which one is it, {number}?", "choices": ["a magnet", "a magnet at rest", "iron"][: 2 + number % 2],
            "answer": number % 2, "hint": "Look closely." if number == 2 else "", "image": "image.png" if seen else None,
            "task": "closed choice", "grade": "grade2", "subject": "natural science" if seen else "language science",
            "topic": "physics", "category": "magnets", "skill": "s", "lecture": "", "solution": "", "split": split,
        }  # fmt: skip
    return {"type": "scienceqa", "images": str(at / "images"), "file": write(at / "problems.json", problems)}


def mmbench_rows() -> list[dict[str, Any]]:
    rows = []
    for number, color in enumerate(COLORS[:4]):
        options = [color, "black", "grey", "pink"][: 3 if number == 1 else 4]
        options = options[number % 3 :] + options[: number % 3]
        row = {"index": 240 + number, "question": "Which colour is it?", "hint": "It is plain." if number == 0 else "nan"}
        row |= {letter: options[place] if place < len(options) else "nan" for place, letter in enumerate("ABCD")}
        row |= {
            "answer": "ABCD"[options.index(color)], "category": "attribute" if number % 2 else "logic", "split": "dev",
            "image": base64.b64encode(encoded(color)).decode(),
        }  # fmt: skip
        rows.append(row)
    return rows


def mmbench(at: Path) -> Config:
    return {"type": "mmbench", "file": table(at / "mmbench_dev.tsv", mmbench_rows()), "split": "dev"}


def mme(at: Path) -> Config:
    for subtask in ("existence", "count", "posters"):
        apart = subtask == "posters"
        for number, color in enumerate(COLORS[:3]):
            folder = at / "MME" / subtask
            picture((folder / "images" if apart else folder) / f"{number}.jpg", color)
            text = (folder / "questions_answers_YN" if apart else folder) / f"{number}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(
                f"Is it {color}? Please answer yes or no.\tYes\nIs it black, {number}? Please answer yes or no.\tNo\n", encoding="utf-8"
            )
    return {"type": "mme", "folder": str(at / "MME")}


def mmstar(at: Path) -> Config:
    rows = [
        {
            "index": n, "question": f"Which colour is it?\nOptions: A: black, B: {color}, C: grey, D: pink", "answer": "B",
            "category": "coarse perception" if n % 2 else "math", "l2_category": "l2", "bench": "x",
            "image": base64.b64encode(encoded(color)).decode(),
        }
        for n, color in enumerate(COLORS[:4])
    ]  # fmt: skip
    return {"type": "mmstar", "file": table(at / "MMStar.tsv", rows), "split": "val"}


def pope(at: Path) -> Config:
    records = []
    for number, color in enumerate(COLORS[:4]):
        name = picture(at / "val2014" / f"COCO_val2014_{number:012d}.jpg", color)
        for thing, label in ((f"{color} thing", "yes"), (f"thing {number}", "no")):
            records.append({"question_id": len(records) + 1, "image": name, "text": f"Is there a {thing} in the image?", "label": label})
    file = lines(at / "coco_pope_popular.json", records)
    return {"type": "pope", "file": file, "images": str(at / "val2014"), "split": "popular"}


def hallusionbench(at: Path) -> Config:
    records = []
    for number in range(3):
        for figure in range(2):
            name = f"VD/illusion/{number}_{figure}.png"
            picture(at / "hallusion_bench" / name, COLORS[2 * number + figure])
            for question in range(2):
                records.append({
                    "category": "VD", "subcategory": "illusion", "visual_input": "1", "set_id": str(number), "figure_id": str(figure),
                    "sample_note": "note", "question_id": str(question), "question": f"Is {question} so in set {number}?",
                    "gt_answer_details": "d", "gt_answer": str((number + figure + question) % 2), "filename": f"./hallusion_bench/{name}",
                })  # fmt: skip
    records.append({
        "category": "VS", "subcategory": "chart", "visual_input": "0", "set_id": "0", "figure_id": "0", "sample_note": "n",
        "question_id": "0", "question": "Was it the largest in 2019?", "gt_answer_details": "d", "gt_answer": "1", "filename": None,
    })  # fmt: skip
    return {
        "type": "hallusionbench", "file": write(at / "HallusionBench.json", records), "images": str(at / "hallusion_bench"),
    }  # fmt: skip


def amber(at: Path) -> Config:
    queries, annotations = [], []
    for number, (color, things) in enumerate((("red", ["dog", "grass"]), ("green", ["cat", "sofa"]), ("blue", ["boat", "water"]))):
        name = picture(at / "image" / f"AMBER_{number + 1}.jpg", color)
        queries.append({"id": number + 1, "image": name, "query": "Describe this image."})
        annotations.append({"id": number + 1, "type": "generative", "truth": things, "hallu": ["person", "ball"]})
    for number, (kind, truth) in enumerate((("hallucination", "no"), ("attribute-state", "yes"), ("relation", "no")), start=4):
        queries.append({"id": number, "image": f"AMBER_{number - 3}.jpg", "query": f"Is {kind} so in this image?"})
        annotations.append({"id": number, "type": f"discriminative-{kind}", "truth": truth})
    words = {"dog": ["puppy"], "cat": ["kitten"], "grass": [], "sofa": ["couch"], "boat": [], "water": ["sea"], "person": ["man"], "ball": [], "tree": []}
    (at / "safe_words.txt").write_text("tree\n", encoding="utf-8")
    return {
        "type": "amber", "file": write(at / "query_all.json", queries), "images": str(at / "image"),
        "annotations": write(at / "annotations.json", annotations), "relations": write(at / "relation.json", words),
        "safe_words": str(at / "safe_words.txt"),
    }  # fmt: skip


def chair(at: Path) -> Config:
    names = [picture(at / "val2014" / f"COCO_val2014_{number:012d}.jpg", color) for number, color in enumerate(COLORS[:4])]
    categories = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 90, "name": "hot dog"}]
    outlined = [(0, 18), (0, 18), (1, 3), (1, 18), (2, 90)]
    said = {0: "A puppy beside a taxi.", 1: "Two cars.", 2: "Lunch is two hot dogs.", 3: "Nothing of note."}
    (at / "synonyms.txt").write_text("dog, puppy, hound\ncar, taxi\nhot dog\n", encoding="utf-8")
    return {
        "type": "chair", "images": str(at / "val2014"), "synonyms": str(at / "synonyms.txt"),
        "file": write(at / "instances_val2014.json", {
            "images": [{"id": number, "file_name": name} for number, name in enumerate(names)], "categories": categories,
            "annotations": [{"id": n, "image_id": i, "category_id": c} for n, (i, c) in enumerate(outlined)],
        }),
        "captions": write(at / "captions_val2014.json", {
            "annotations": [{"id": n, "image_id": n, "caption": text} for n, text in said.items()],
        }),
    }  # fmt: skip


def scene_chair(at: Path) -> Config:
    return {"type": "scene-chair", "pictures": 4}


def scene_pope(at: Path) -> Config:
    return {"type": "scene-pope", "pictures": 4, "most": 1}


def refcoco(at: Path) -> Config:
    records = []
    for number, (size, box) in enumerate((((640, 480), (10.5, 20, 300, 400)), ((480, 640), (0, 0, 100.25, 90)), ((300, 300), (50, 60, 299, 300)))):
        name = picture(at / "train2014" / f"COCO_train2014_{number:012d}.jpg", COLORS[number], size)
        for word in ("left", "big"):
            records.append({"image": f"data/coco/train2014/{name}", "sent": f"{word} one", "bbox": box, "width": size[0], "height": size[1]})
    return {"type": "refcoco", "file": lines(at / "refcoco_testA.jsonl", records), "images": str(at / "train2014"), "split": "testA"}


CAPTIONS = (
    ("a red dog runs on grass", "one dog running in a green field", "a dog is running over the grass"),
    ("two boats lie in the harbour", "boats near a pier at night", "a pair of boats moored in water"),
    ("a man rides a horse in the rain", "a person riding a horse", "a rider on his horse when it rains"),
)


def coco_captions(at: Path) -> Config:
    images, annotations = [], []
    for number, texts in enumerate(CAPTIONS):
        name = picture(at / "val2017" / f"{number:012d}.jpg", COLORS[number])
        images.append({"id": number, "file_name": name, "width": 40, "height": 30})
        annotations += [{"image_id": number, "id": 10 * number + n, "caption": text} for n, text in enumerate(texts)]
    whole = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    return {"type": "coco-captions", "file": write(at / "captions_val2017.json", whole), "images": str(at / "val2017")}


def karpathy(at: Path) -> Config:
    images = []
    for number, texts in enumerate(CAPTIONS):
        name = picture(at / "coco" / "val2014" / f"COCO_val2014_{number:012d}.jpg", COLORS[number])
        images.append({
            "filepath": "val2014", "filename": name, "imgid": number, "cocoid": 500 + number, "sentids": [],
            "split": "test" if number < 2 else "train", "sentences": [{"raw": text, "tokens": text.split()} for text in texts],
        })  # fmt: skip
    return {"type": "coco-captions", "file": write(at / "dataset_coco.json", {"dataset": "coco", "images": images}), "images": str(at / "coco")}


def nlvr(at: Path) -> Config:
    folder = at / "nlvr"
    folder.mkdir()
    records = []
    with tarfile.open(folder / "dev.tar", "w") as archive:
        for number, color in enumerate(COLORS[:3]):
            for order in range(2):
                name, data = f"dev-{number}-{order}.png", encoded(color, (400, 100 - order))
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                records.append({
                    "id": f"{number}-{order}", "example_id": f"{number}-0", "permutation": order, "image": name,
                    "sentence": f"There is a {color} box.", "label": number % 2 == 0, "directory": str(number),
                })  # fmt: skip
    lines(folder / "dev.jsonl", records)
    return {"type": "nlvr", "folder": str(folder)}


def ocrbench(at: Path) -> Config:
    records: list[dict[str, Any]] = []
    for number, (name, kind, answers) in enumerate((
        ("IIIT5K", "Regular Text Recognition", ["CENTRE", "Center"]), ("docVQA", "Doc-oriented VQA", ["$12.00"]),
        ("HME100k", "Handwritten Mathematical Expression Recognition", "x ^ { 2 } + Y"),
    )):  # fmt: skip
        path = f"{name}/{number}.png"
        picture(at / "OCRBench_Images" / path, COLORS[number])
        records.append({
            "dataset_name": name, "id": 0, "type": kind, "question": "what is written in the image?", "answers": answers, "image_path": path,
        })  # fmt: skip
    return {"type": "ocrbench", "file": write(at / "OCRBench.json", records), "images": str(at / "OCRBench_Images")}


def printed_lines(at: Path) -> Config:
    folder = at / "scans"
    folder.mkdir()
    records = []
    with tarfile.open(folder / "val.tar", "w") as archive:
        for number, color in enumerate(COLORS[:3]):
            data = encoded(color)
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            boxes = {f"{number}{number}": [2, 2, 30, 10], f"X-{number}": [2.5, 14, 60, 10]}
            texts = [{"bbox": box, "text": text} for text, box in boxes.items()]
            records.append({"id": f"r{number}", "image": info.name, "lines": texts})
    lines(folder / "val.jsonl", records)
    return {"type": "printed-lines", "folder": str(folder)}


MAKERS: dict[str, Callable[[Path], Config]] = {
    "vqav2": vqav2, "textvqa": textvqa, "gqa": gqa, "docvqa": docvqa, "chartqa": chartqa, "scienceqa": scienceqa, "mmbench": mmbench,
    "mme": mme, "mmstar": mmstar, "pope": pope, "hallusionbench": hallusionbench, "amber": amber, "refcoco": refcoco,
    "coco-captions": coco_captions, "nlvr": nlvr, "ocrbench": ocrbench, "printed-lines": printed_lines,
    "chair": chair, "scene-chair": scene_chair, "scene-pope": scene_pope,
}  # fmt: skip
"""Name of a benchmark -> what writes it into a folder and returns its config."""
