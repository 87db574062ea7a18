# rolebroker's commands. `make demo` shows the product, `make test` checks it.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.1
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

# Where Terraform looks for a provider before it asks a registry.
PROVIDER_VERSION := 0.0.1
PROVIDER_FOLDER = $(HOME)/.terraform.d/plugins/registry.terraform.io/rolebroker/rolebroker/$(PROVIDER_VERSION)/$(shell go env GOOS)_$(shell go env GOARCH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-short build setup kubernetes kubernetes-in-ci test-kubernetes lint fmt tidy staticcheck vuln bench fuzz screenshots terraform-install terraform-docs

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## the whole product on this machine, on a simulated AWS
	bin/rolebroker demo

# The tests run under the race detector, except SQLite itself, which is C
# translated to Go: with it, tests of the store take four times as long. No other
# package may be excluded: one that instantiates sync.Map makes the detector blind
# to it, and report races that are none.
# staticcheck reads the compiler's output for the tests, so that everything is
# compiled once.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false

test: setup kubernetes-in-ci fmt tidy staticcheck ## everything that has to be right, on a fresh machine too
	go test $(RACE) -vet=all -timeout 20m ./...
	cd terraform && go test $(RACE) -vet=all -timeout 20m ./...
	@$(MAKE) --no-print-directory vuln

test-short: ## the tests only, faster: for while you work
	go test ./...
	cd terraform && go test ./...

# The version is the tag or commit, which Go puts into the binary by itself.
build: ## bin/rolebroker
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags '-s -w' -o bin/rolebroker ./cmd/rolebroker

setup: ## install what the tests need
	@scripts/setup.sh

kubernetes: ## build and install what the tests on Kubernetes need; minutes, the first time
	@scripts/kubernetes.sh

# Elsewhere it is for whoever wants to wait for it.
kubernetes-in-ci:
	@scripts/kubernetes.sh $(if $(CI),,--check)

test-kubernetes: kubernetes ## the tests on a real Kubernetes API server only
	CI=true go test -count 1 -run '^TestKubernetes' $$(grep -rl --include='*_test.go' 'internal/kubetest"' client cmd deploy internal | xargs -n 1 dirname | sort -u | sed 's|^|./|')

lint: fmt tidy staticcheck ## everything but the tests
	go vet ./...
	cd terraform && go vet ./...

fmt:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w these: $$unformatted"; exit 1; }

tidy:
	go mod tidy -diff
	cd terraform && go mod tidy -diff

staticcheck:
	go run -exec "env 'GOFLAGS=$(RACE)'" $(STATICCHECK) ./...
	cd terraform && go run -exec "env 'GOFLAGS=$(RACE)'" $(STATICCHECK) ./...

vuln: ## look for known vulnerabilities
	@scripts/vulncheck.sh $(GOVULNCHECK)

bench: ## the ratios that the design promises
	go run ./internal/bench

fuzz: ## each fuzz target for half a minute
	scripts/fuzz.sh 30s

screenshots: setup ## a picture of every page of the web app, in docs/screenshots
	go test ./internal/web -count 1 -run TestScreenshots -screenshots ../../docs/screenshots

terraform-install: ## the Terraform provider, for terraform init on this machine
	cd terraform && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o '$(PROVIDER_FOLDER)/terraform-provider-rolebroker_v$(PROVIDER_VERSION)' .
	@echo "terraform init takes it now; where it took another build before, delete .terraform.lock.hcl first"

terraform-docs: ## the pages of the Terraform provider, from its schemas and examples
	cd terraform && go test ./provider -count 1 -run TestTheDocsAreThoseOfTheSchemas -update
