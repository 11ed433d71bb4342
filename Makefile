# Each target sets up what it needs in .venv first; a second run starts at once.
#   make demo        restore a face in a real photo and write the pictures to demo/
#   make test        all tests             make test-fast   without the full-size networks
#   make test-old-torch  what depends on torch, on the versions that older hosts have
#   make test-webui  the WebUI tab in a browser, on gradio 3 and 4; needs Chromium
#   make test-comfyui COMFYUI_PATH=path/to/ComfyUI    its page in a browser; needs Chromium, fetches nothing
#   make lint        ruff and types        make bench       time and memory
#   make docs        every public name with its docstring, as web pages in build/api
#   make setup-locked  the tests' packages by their hashes   make lock  choose and note them anew
#   make bench-figures GPEN_REFERENCE=path/to/GPEN    measure anew what the documentation shows
# Another Python: make test PYTHON=python3.12. Arguments: make test ARGS="-k images"

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

# Packages whose own requirements would replace the torch or numpy installed here.
WITHOUT_DEPENDENCIES = facexlib==0.3.0 facenet-pytorch==2.6.0 spandrel==0.4.2
TORCHVISION = torchvision==0.28.0

bin := $(VENV)/bin
pip := $(bin)/python -m pip --disable-pip-version-check
# Two test files at a time, each with one thread: together they keep two cores busy.
side_by_side = OMP_NUM_THREADS=1 $(bin)/python -m pytest --numprocesses 2 --dist loadfile
project := $(pip) install --quiet --no-deps --editable .

# What make setup-locked installs is fixed to the byte, but for torch: PyTorch's own index has the
# builds without CUDA, and PyPI, which the file is made from, the others. What those need of PyPI
# besides CUDA is named here, as they themselves are not in the file.
LOCK = requirements-lock.txt
TORCH = $(shell sed -n 's/^torch==/&/p' requirements-demo.txt)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH_NEEDS = filelock fsspec jinja2 networkx setuptools sympy typing-extensions
# Comes along with CUDA: 250 MB, with which the fused kernels are interpreted and compiled.
TRITON = triton==3.8.0 ; sys_platform == "linux" and platform_machine == "x86_64"
UV ?= uv
compile := $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header -

# The oldest torch that is supported, and that of A1111; and that of Forge.
OLD_TORCHES = 2.1.2 2.3.1
OLD_TORCH_TESTS = checkpoints/test_reading.py checkpoints/test_hostile_files.py cli/test_self_test.py \
	compositing detection/test_mtcnn.py geometry/test_sampling.py images/test_device_pixels.py \
	network restoration restorers runtime
# What torch itself warns of there, whoever uses it.
OLD_TORCH_WARNINGS = "ignore:TypedStorage is deprecated:UserWarning"

# The versions of gradio that WebUIs have; each needs packages of its own age.
GRADIOS = 3 4
CHROMIUM = $${GPEN_CHROMIUM:-$$(command -v chromium || command -v chromium-browser || \
	command -v google-chrome)}

# A Python with the packages of ComfyUI, pytest and playwright.
COMFYUI_PYTHON ?= python3

.PHONY: demo test test-fast test-old-torch test-webui test-comfyui lint docs bench bench-figures setup \
	setup-locked lock clean chromium

demo: $(VENV)/.ready-for-demo
	$(bin)/gpen demo -o demo --overwrite $(ARGS)

test: setup
	$(side_by_side) $(ARGS)

test-fast: setup
	$(side_by_side) -m "not slow" $(ARGS)

test-old-torch: $(OLD_TORCHES:%=$(VENV)-torch%/.ready)
	@set -e; for torch in $(OLD_TORCHES); do \
		$(VENV)-torch$$torch/bin/python -m pytest -m "not slow" -W $(OLD_TORCH_WARNINGS) \
			$(OLD_TORCH_TESTS:%=tests/%) $(ARGS); done

test-webui: chromium $(GRADIOS:%=$(VENV)-gradio%/.ready)
	@set -e; for gradio in $(GRADIOS); do \
		GPEN_CHROMIUM="$(CHROMIUM)" $(VENV)-gradio$$gradio/bin/python -m pytest \
			tests/webui_browser $(ARGS); done

test-comfyui: chromium
	@test -f "$(COMFYUI_PATH)/main.py" || { \
		echo "Name a checkout of ComfyUI: make test-comfyui COMFYUI_PATH=/path/to/ComfyUI"; exit 1; }
	@$(COMFYUI_PYTHON) -c 'import aiohttp, playwright, pytest' || { \
		echo "$(COMFYUI_PYTHON) needs ComfyUI's packages, pytest and playwright." \
			"Name another one: make test-comfyui COMFYUI_PYTHON=/path/to/python"; exit 1; }
	COMFYUI_PATH="$(COMFYUI_PATH)" COMFYUI_FRONTEND="$(COMFYUI_FRONTEND)" \
		GPEN_CHROMIUM="$(CHROMIUM)" $(COMFYUI_PYTHON) -m pytest \
		--confcutdir=tests/comfyui_browser tests/comfyui_browser $(ARGS)

lint: setup
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/basedpyright

docs: setup
	$(bin)/python tools/document_names.py
	$(bin)/python tools/api_reference.py

bench: setup
	$(bin)/gpen bench $(ARGS)

bench-figures: setup
	$(pip) install --quiet --requirement requirements-bench.txt
	$(bin)/python benchmarks/against_reference.py --json benchmarks/results/cpu.json --overwrite $(ARGS)
	$(bin)/python benchmarks/document.py
	$(bin)/python benchmarks/plot.py

setup: $(VENV)/.ready-for-tests

setup-locked: | $(bin)/python
	$(pip) install --quiet --no-deps --require-hashes --requirement $(LOCK)
	$(pip) install --quiet --no-deps --index-url $(TORCH_INDEX) $(TORCH) $(TORCHVISION)
	$(project) --no-build-isolation
	@touch $(VENV)/.ready-for-demo $(VENV)/.ready-for-tests

lock:
	{ grep -hEv '^(#|-r|torch==)' requirements-demo.txt requirements-dev.txt; \
		printf '%s\n' $(TORCH_NEEDS) '$(TRITON)'; } | $(compile) > $(LOCK)
	printf '%s\n' $(WITHOUT_DEPENDENCIES) | $(compile) --no-deps >> $(LOCK)

clean:
	rm -rf $(VENV) $(GRADIOS:%=$(VENV)-gradio%) $(OLD_TORCHES:%=$(VENV)-torch%) build demo *.egg-info .pytest_cache .ruff_cache .hypothesis

$(bin)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "Python 3.10 or newer is needed, but $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) has no venv module. On Debian and Ubuntu: sudo apt install python3-venv"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-for-demo: requirements-demo.txt pyproject.toml | $(bin)/python
	$(pip) install --quiet --requirement requirements-demo.txt
	$(project)
	@touch $@

$(VENV)/.ready-for-tests: requirements-demo.txt requirements-dev.txt pyproject.toml Makefile \
		| $(bin)/python
	$(pip) install --quiet --requirement requirements-dev.txt
	$(pip) install --quiet --no-deps $(WITHOUT_DEPENDENCIES) $(TORCHVISION)
	$(project)
	@touch $(VENV)/.ready-for-demo $@

chromium:
	@command -v "$(CHROMIUM)" > /dev/null || { \
		echo "Chromium is needed and was not found. On Debian and Ubuntu: sudo apt install chromium;" \
			"or name its program: make test-webui GPEN_CHROMIUM=/path/to/chrome"; exit 1; }

$(VENV)-torch%/.ready: tests/requirements-old-torch.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' || { \
		echo "torch $* needs Python 3.10 or 3.11, but $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Name another one: make test-old-torch PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check install --quiet torch==$* --requirement $<
	@touch $@

$(VENV)-gradio%/.ready: tests/webui_browser/requirements-gradio%.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' || { \
		echo "gradio $* needs Python 3.10 to 3.12, but $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Name another one: make test-webui PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@
