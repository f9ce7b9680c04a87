# make help lists the targets.

PREFIX = /usr/local
GOLANGCI_VERSION = v2.13.2
FUZZTIME = 5s

TOOLS := $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))
GOLANGCI := .cache/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
SCRIPTS := internal/fifomerge/attach.sh test/crash test/crawl-docs scripts/demo scripts/fuzz scripts/mariadb scripts/test .ci/run test/bench/crawl test/bench/extract test/bench/gensql test/bench/roundtrip test/routing test/splitter test/bench/fifomerge test/torn-lines $(wildcard examples/*.sh)

# The commit in --version comes from git. Where git will not tell (it is missing,
# or the checkout belongs to somebody else), the build goes on without it.
ifneq ($(shell git status >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS += -buildvcs=false
endif

.NOTPARALLEL:
.PHONY: build test demo lint format vet golangci shellcheck fuzz bench install clean help

build: ## build the tools into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/ ./cmd/...

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

install: build ## install the tools and man pages below DESTDIR/PREFIX
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 755 $(TOOLS:%=bin/%) '$(DESTDIR)$(PREFIX)/bin'
	install -d '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -m 644 man/*.1 '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -d '$(DESTDIR)$(PREFIX)/share/man/man7'
	install -m 644 man/*.7 '$(DESTDIR)$(PREFIX)/share/man/man7'

clean: ## remove what make has made
	rm -rf bin .cache

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16
	@echo 'Variables: PREFIX ($(PREFIX)), DESTDIR, FUZZTIME ($(FUZZTIME))'
