# trainer-agent: `make help` lists every target.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON    ?= python3
VENV      ?= .venv
FRAMEWORK ?= ultralytics
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT    ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
STAMP     := -X github.com/vision-platform/trainer-agent/contract.Version=$(VERSION) -X github.com/vision-platform/trainer-agent/contract.Commit=$(COMMIT)
GOBUILD   := go build -trimpath -ldflags '-s -w $(STAMP)'
LINTER    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
export TRAINER_VENV := $(abspath $(VENV))

.PHONY: help build venv venv-all demo test test-go test-python bench lint fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/trainer-agent (static), bin/trainer-gpu, bin/trainer-sandbox
	@echo "== building $(VERSION)"
	CGO_ENABLED=0 $(GOBUILD) -o bin/trainer-agent ./cmd/trainer-agent
	@if ldd bin/trainer-agent 2>/dev/null | grep -q '=>'; then echo "bin/trainer-agent is not static"; exit 1; fi
	$(GOBUILD) -o bin/trainer-gpu ./cmd/trainer-gpu
	CGO_ENABLED=0 $(GOBUILD) -o bin/trainer-sandbox ./cmd/trainer-sandbox

venv: ## make .venv with the requirements of one trainer (FRAMEWORK=ultralytics)
	$(PYTHON) trainers/venv.py --venv $(VENV) $(FRAMEWORK)

venv-all: ## make .venv with the requirements of every trainer and of the tests
	$(PYTHON) trainers/venv.py --venv $(VENV) ultralytics timm huggingface tests

demo: build venv ## run a real training job end to end (FRAMEWORK=ultralytics|timm|huggingface, KEEP=1 leaves the page open)
	bin/trainer-sandbox demo --agent bin/trainer-agent --python $(VENV)/bin/python --framework $(FRAMEWORK) $(if $(KEEP),--keep)

test: build venv-all test-go test-python ## set up everything and run every test

test-go:
	@echo "== go test (with the race detector)"
	go vet ./...
	go test -race -timeout 20m ./...

test-python:
	@echo "== Python tests of the trainers"
	$(VENV)/bin/python -m pytest -q trainers/tests

lint: ## golangci-lint and gofmt
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run make fmt"; exit 1; }
	@mkdir -p .tools; test -x .tools/golangci-lint || { echo "== building the linter (some minutes, once)"; GOBIN=$(abspath .tools) go install $(LINTER); }
	.tools/golangci-lint run ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go build ./...

fmt: ## format Go code
	gofmt -w .

clean: ## remove what make made, the virtual environment included
	rm -rf bin dist .tools .bench .venv
