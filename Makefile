# make help lists the targets.

PREFIX = /usr/local
BIN = bin
VERSION = 0.1.0
NFPM_VERSION = v2.45.2
DIST = dist
TARGETS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
GOLANGCI_VERSION = v2.13.2
FUZZTIME = 5s

TOOLS := $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))
GOLANGCI := .cache/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
SCRIPTS := internal/fifomerge/attach.sh $(shell grep -rlI --exclude-dir=testdata --exclude='*.go' '^#!.*sh$$' .ci scripts test examples)

# The commit in --version comes from git. Where git will not tell (it is missing,
# or the checkout belongs to somebody else), the build goes on without it.
ifneq ($(shell git status >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS += -buildvcs=false
endif

.NOTPARALLEL:
.PHONY: build test demo lint format vet golangci shellcheck fuzz bench figures install uninstall completions packages clean help

# What writes the manual pages of urfave/cli is left out, and code that runs once
# at the start, or for each connection, is not inlined: a tool is smaller by a
# twentieth.
COLD = text/template/... github.com/urfave/... regexp/... net crypto/tls crypto/x509/... encoding/asn1 math/big
BUILD = CGO_ENABLED=0 go build -trimpath -tags urfave_cli_no_docs $(COLD:%=-gcflags=%=-l) -ldflags='-s -w'

build: ## build the tools into bin/
	@echo '== go build'
	@$(BUILD) -o $(BIN)/ ./cmd/...

test: lint ## run every check, every test, and each fuzz target for 5 s
	@scripts/test

demo: build ## run the examples: no server and no network needed
	@scripts/demo

lint: format vet golangci shellcheck ## check the sources without running them

format:
	@echo '== gofmt'
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt -w would change:"; echo "$$files"; exit 1; }

vet:
	@echo '== go vet, for macOS too'
	@go vet ./...
	@GOOS=darwin CGO_ENABLED=0 go vet ./...

golangci: $(GOLANGCI)
	@echo '== golangci-lint $(GOLANGCI_VERSION)'
	@$(GOLANGCI) run

$(GOLANGCI):
	@echo '== golangci-lint $(GOLANGCI_VERSION): building it into $(@D)'
	@CGO_ENABLED=0 GOBIN='$(CURDIR)/$(@D)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

shellcheck:
	@echo '== shellcheck'
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo 'skipped: it is not installed'; fi

fuzz: ## run each fuzz target for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

figures: build ## draw docs/figures anew, from test/bench/results and the demo
	go run ./test/bench/figures test/bench/results docs/figures
	grep -v '^#' test/bench/results/relay-bench-2026-11-24.txt | $(BIN)/relay-plot > docs/figures/ipc.svg
	scripts/record crawl-pages > docs/figures/session.svg

SHARE = $(DESTDIR)$(PREFIX)/share

install: build ## install the tools, man pages, completions, docs and examples below DESTDIR/PREFIX
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(SHARE)/man/man1' '$(SHARE)/man/man7' '$(SHARE)/bash-completion/completions' \
	  '$(SHARE)/zsh/site-functions' '$(SHARE)/fish/vendor_completions.d' '$(SHARE)/doc/pipeworks'
	install -m 755 $(TOOLS:%=$(BIN)/%) '$(DESTDIR)$(PREFIX)/bin'
	install -m 644 man/*.1 '$(SHARE)/man/man1'
	install -m 644 man/*.7 '$(SHARE)/man/man7'
	install -m 644 completions/bash/* '$(SHARE)/bash-completion/completions'
	install -m 644 completions/zsh/* '$(SHARE)/zsh/site-functions'
	install -m 644 completions/fish/* '$(SHARE)/fish/vendor_completions.d'
	install -m 644 README.md CHANGELOG.md '$(SHARE)/doc/pipeworks'
	install -m 644 internal/transport/grpc/relaypb/relay.proto internal/transport/thrift/relaythrift/relay.thrift '$(SHARE)/doc/pipeworks'
	install -m 644 LICENSE '$(SHARE)/doc/pipeworks/copyright'
	cp -R docs examples '$(SHARE)/doc/pipeworks'

uninstall: ## remove what install has put below DESTDIR/PREFIX
	cd '$(DESTDIR)$(PREFIX)/bin' && rm -f $(TOOLS)
	cd '$(SHARE)' && rm -rf doc/pipeworks $(patsubst man/%.1,man/man1/%.1,$(wildcard man/*.1)) \
	  $(patsubst man/%.7,man/man7/%.7,$(wildcard man/*.7)) \
	  $(patsubst completions/bash/%,bash-completion/completions/%,$(wildcard completions/bash/*)) \
	  $(patsubst completions/zsh/%,zsh/site-functions/%,$(wildcard completions/zsh/*)) \
	  $(patsubst completions/fish/%,fish/vendor_completions.d/%,$(wildcard completions/fish/*))

completions: build ## write the completions anew, from the flags of the tools
	for tool in $(filter-out relay-%,$(TOOLS)); do \
	  $(BIN)/$$tool --completion bash > completions/bash/$$tool && \
	  $(BIN)/$$tool --completion zsh > completions/zsh/_$$tool && \
	  $(BIN)/$$tool --completion fish > completions/fish/$$tool.fish || exit; \
	done

NFPM := .cache/nfpm-$(NFPM_VERSION)/nfpm

packages: $(NFPM) ## make the archives and packages of a release in DIST
	@scripts/package $(NFPM) $(DIST) $(VERSION) $(TARGETS)

$(NFPM):
	@echo '== nfpm $(NFPM_VERSION): building it into $(@D)'
	@CGO_ENABLED=0 GOBIN='$(CURDIR)/$(@D)' go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

clean: ## remove what make has made
	rm -rf $(BIN) .cache $(DIST)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 18
	@echo 'Variables: PREFIX ($(PREFIX)), DESTDIR, FUZZTIME ($(FUZZTIME)), VERSION ($(VERSION))'
