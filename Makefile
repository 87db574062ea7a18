# rolebroker's commands. `make demo` shows the product, `make test` checks it.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.1
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

.DEFAULT_GOAL := help
.PHONY: help demo test test-short build setup lint fmt tidy staticcheck vuln bench fuzz screenshots

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## the whole product on this machine, on a simulated AWS
	bin/rolebroker demo

# Everything is compiled for the race detector, staticcheck's view of it too, so
# that it is compiled once.
test: setup fmt tidy staticcheck ## everything that has to be right, on a fresh machine too
	go test -race -vet=all -timeout 20m ./...
	@$(MAKE) --no-print-directory vuln

test-short: ## the tests only, faster: for while you work
	go test ./...

# The version is the tag or commit, which Go puts into the binary by itself.
build: ## bin/rolebroker
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags '-s -w' -o bin/rolebroker ./cmd/rolebroker

setup: ## install what the tests need
	@scripts/setup.sh

lint: fmt tidy staticcheck ## everything but the tests
	go vet ./...

fmt:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w these: $$unformatted"; exit 1; }

tidy:
	go mod tidy -diff

staticcheck:
	go run -exec 'env GOFLAGS=-race' $(STATICCHECK) ./...

vuln: ## look for known vulnerabilities
	@scripts/vulncheck.sh $(GOVULNCHECK)

bench: ## the ratios that the design promises
	go run ./internal/bench

fuzz: ## each fuzz target for half a minute
	scripts/fuzz.sh 30s

screenshots: setup ## a picture of every page of the web app, in docs/screenshots
	go test ./internal/web -count 1 -run TestScreenshots -screenshots ../../docs/screenshots
