# Sparkle: durable background tasks for Go services on NATS JetStream.
# Bare `make` prints what there is to do.

GO       ?= go
BIN      := bin
TOOLS    := .tools
LINT     := $(TOOLS)/golangci-lint
LINT_VERSION := v2.15.0
# -race needs a C compiler; without one the tests run all the same.
RACE     := $(shell command -v $${CC:-gcc} >/dev/null 2>&1 && $(GO) env CGO_ENABLED | grep -q 1 && echo -race)
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## run every task once on an embedded server, print the results, exit
	@$(GO) run ./cmd/sparkle demo

.PHONY: dev
dev: ## server, worker and HTTP in one process, until Ctrl-C
	@$(GO) run ./cmd/consumer --dev

.PHONY: build
build: ## build the commands into bin/
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags "-s -w -X sparkle/internal/cli.version=$(VERSION)" -o $(BIN)/ ./cmd/...

.PHONY: test
test: ## run all tests (needs Go only; with -race where there is a C compiler)
	$(GO) test $(RACE) -parallel 8 -timeout 240s ./...

.PHONY: e2e
e2e: ## tests that need root or a minute: a disk that runs full, ten thousand tasks at a time
	$(GO) test -tags e2e -v -timeout 240s -run 'FullDisk|Scale' ./streams

.PHONY: cover
cover: ## print the coverage of each package, and fail below the bar
	@$(GO) test -parallel 8 -timeout 240s -coverpkg=./tasks,./streams,./embedded -coverprofile=coverage.out ./tasks/... ./streams/... ./embedded/... ./cmd/... > coverage.log || { grep -vE '^(ok|\?)' coverage.log; exit 1; }
	@.ci/coverage coverage.out 85

.PHONY: check
check: fmt-check tidy-check lint test cover ## all that CI runs

.PHONY: lint
lint: $(LINT) ## run the linters
	$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## format the code
	$(LINT) fmt ./...

.PHONY: fmt-check
fmt-check:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted (make fmt):"; echo "$$out"; exit 1; }

.PHONY: tidy-check
tidy-check:
	$(GO) mod tidy -diff
	$(GO) mod verify

$(LINT): Makefile
	@mkdir -p $(TOOLS)
	GOBIN=$(CURDIR)/$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@touch $@

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@for dir in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) ./$$dir || exit 1; \
		done; \
	done

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN) $(TOOLS) coverage.out coverage.log
