# make demo   train a small vision-language model, measure it, and see how to chat with it
# make test   run the tests
# make check  lint and type-check
# make leaderboard  measure what ships beside models whose scores are known beforehand; the site goes to runs/site
# Each of them first makes its own environment in .venv, if it is not there yet or its packages changed.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/installed
WORKERS ?= 2
RUN ?= runs/demo

BOARD ?= runs/leaderboard
SITE ?= runs/site
MODELS := zoo:llava-1.5-small scripted:oracle scripted:memorizer scripted:blind-prior scripted:guesser scripted:yes-sayer
ASKED := evaluation.benchmarks=[{world: shapes, pictures: 25}, {world: documents, pictures: 25}, \
  {world: digits, pictures: 25}, {world: charts, pictures: 25}, {type: scene-pope, pictures: 50}]

.PHONY: demo test check leaderboard install clean

demo: $(READY)
	@$(BIN)/omma demo --out $(RUN)

test: $(READY)
	@echo "omma: running the tests with $(WORKERS) processes (make test WORKERS=8 for more)."
	@OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: $(READY)
	@echo "omma: checking style (ruff) and types (mypy)."
	@$(BIN)/ruff check $(wildcard src tests benchmarks)
	@$(BIN)/mypy

leaderboard: $(READY)
	@for model in $(MODELS); do \
	  $(BIN)/omma evaluate $$model "$(ASKED)" --out $(BOARD)/$${model#*:} || exit; \
	done
	@$(BIN)/omma leaderboard $(BOARD) --out $(SITE)

install: $(READY)

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache

$(READY): pyproject.toml constraints.txt
	@chosen=; \
	for candidate in $(PYTHON) python3.12 python3.11 python3 python; do \
	  if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; \
	  then chosen=$$candidate; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	  echo "omma: expected Python 3.11 or 3.12 with its venv module, found neither; install one" \
	    "(Debian, Ubuntu: apt install python3-venv), or name yours: make PYTHON=/path/to/python3.11" >&2; exit 2; \
	fi; \
	if ! [ -x $(BIN)/python ]; then \
	  echo "omma: making an environment in $(VENV) with $$($$chosen --version)."; \
	  "$$chosen" -m venv $(VENV); \
	fi
	@echo "omma: installing $$(grep '^torch==' constraints.txt) (the largest package, some minutes on a slow line)."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@echo "omma: installing omma and the other packages, in the versions of constraints.txt."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)
	@echo "omma: the environment is ready."
