"""Language in words: stories, knowledge, small talk, tasks with words, situations, styles. See `Language`."""

from __future__ import annotations

from omma.data.playground.base import WORLDS, Scene, Split, World
from omma.data.playground.language_chat import small_talk
from omma.data.playground.language_facts import groups, knowledge
from omma.data.playground.language_journeys import journey
from omma.data.playground.language_logic import boxes, collection
from omma.data.playground.language_stories import causes, diary, profiles, ranking, room, shopping
from omma.data.playground.language_styles import styles
from omma.data.playground.language_tasks import tasks
from omma.data.playground.passages import Family, words_scene


@WORLDS.register("language")
class Language(World):
    """Short passages and conversations in words only (`Scene.images` is empty).

    ``Scene.description`` is empty where every question stands alone: small talk, tasks, half of the knowledge. Answers
    are in lower case, numbers in digits; questions that ask for a sentence get one. Where a passage does not answer,
    the answer is "i do not know". ``Scene.facts["family"]`` names the family.

    The held-out combinations are pairs: person and place or thing or deed in stories, color and thing in rooms and
    collections, holder and item in boxes, subject and wording in knowledge, task and word in tasks.
    """

    name = "language"

    FAMILIES = {
        "journey": Family(journey, 10),
        "diary": Family(diary, 4),
        "causes": Family(causes, 4),
        "room": Family(room, 4),
        "profiles": Family(profiles, 4),
        "ranking": Family(ranking, 3),
        "shopping": Family(shopping, 3),
        "knowledge": Family(knowledge, 7),
        "groups": Family(groups, 2),
        "boxes": Family(boxes, 4),
        "collection": Family(collection, 4),
        "styles": Family(styles, 4, cased=False),
        "small talk": Family(small_talk, 5, combines=False),
        "tasks": Family(tasks, 6, cased=False),
    }

    def scene(self, split: Split, index: int) -> Scene:
        return words_scene(self.name, split, index, self.FAMILIES)
