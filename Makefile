# rolebroker's commands. `make demo` shows the product, `make test` checks it.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.1
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

.DEFAULT_GOAL := help
.PHONY: help demo test test-short build setup kubernetes kubernetes-in-ci test-kubernetes lint fmt tidy \
	staticcheck vuln bench fuzz screenshots terraform-install terraform-docs actions test-opentofu

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## run the whole product on this machine, on a simulated AWS
	bin/rolebroker demo

# The tests run under the race detector, except SQLite itself, which is C
# translated to Go: with it, tests of the store take four times as long. No other
# package may be excluded: one that instantiates sync.Map makes the detector blind
# to it, and report races that are none.
# staticcheck reads the compiler's output for the tests, so that everything is
# compiled once.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false

# A process under the race detector sleeps for a second before it exits, and the
# tests start hundreds of processes.
test: export GORACE := atexit_sleep_ms=0
test: setup kubernetes-in-ci fmt tidy staticcheck ## all checks and tests; works on a fresh machine
	go test $(RACE) -vet=all -timeout 40m ./...
	cd terraform && go test $(RACE) -vet=all -timeout 20m ./...
	@$(MAKE) --no-print-directory vuln

test-short: ## the tests without the race detector, for while you work
	go test ./...
	cd terraform && go test ./...

# Go records the tag or commit in the binary as its version.
build: ## build bin/rolebroker
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags '-s -w' -o bin/rolebroker ./cmd/rolebroker

setup: ## install what the tests need
	@scripts/setup.sh

kubernetes: ## build and install what the Kubernetes tests need; takes minutes the first time
	@scripts/kubernetes.sh

# Builds them where CI is set. Elsewhere it only says what is missing.
kubernetes-in-ci:
	@scripts/kubernetes.sh $(if $(CI),,--check)

test-kubernetes: kubernetes ## the tests on a real Kubernetes API server only
	CI=true go test -count 1 -run '^TestKubernetes' $$(grep -rl --include='*_test.go' 'internal/kubetest"' \
		client cmd deploy internal | xargs -n 1 dirname | sort -u | sed 's|^|./|')

lint: fmt tidy staticcheck ## all checks without the tests
	go vet ./...
	cd terraform && go vet ./...

fmt:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w these: $$unformatted"; exit 1; }

tidy:
	go mod tidy -diff
	cd terraform && go mod tidy -diff

staticcheck:
	go run -exec "env 'GOFLAGS=$(strip $(GOFLAGS) $(RACE))'" $(STATICCHECK) ./...
	cd terraform && go run -exec "env 'GOFLAGS=$(strip $(GOFLAGS) $(RACE))'" $(STATICCHECK) ./...

vuln: ## look for known vulnerabilities in dependencies
	@scripts/vulncheck.sh $(GOVULNCHECK)

bench: ## measure speed and size against their targets
	go run ./internal/bench

fuzz: ## run each fuzz target for half a minute
	scripts/fuzz.sh 30s

screenshots: setup ## take a picture of every page of the web app, in docs/screenshots
	go test ./internal/web -count 1 -run TestScreenshots -screenshots ../../docs/screenshots

test-opentofu: ## build OpenTofu, and test the Terraform provider with it; the first build takes some minutes
	scripts/opentofu.sh

terraform-install: ## install the provider for terraform init and tofu init on this machine
	@scripts/provider-install.sh

terraform-docs: ## generate the pages of the Terraform provider from its schemas and examples
	cd terraform && go test ./provider -count 1 -run TestTheDocsAreThoseOfTheSchemas -update

actions: ## make the tables of AWS operations in internal/action from published data; needs npm and boto3
	@scripts/actions.sh
