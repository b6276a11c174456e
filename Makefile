# What developers and CI run. "make" or "make help" lists the targets.

GO ?= go
# All packages; as in: make test PACKAGES=./internal/wal
PACKAGES ?= ./...
# The race detector, for all but SQLite's own code: translated from C, it takes four times as long under it, and there is nothing of ours
# in it. (Not for all of its module: copies of sync's and atomic's generic functions would be taken from there, unwatched.)
RACE_FLAGS := -race -gcflags=modernc.org/sqlite/lib=-race=false
# The packages that take longest begin, so that none of them is left over at the end.
LONGEST := ./test/trouble ./test/crash . ./test/compat
# The longest that one package's tests may take.
TEST_TIMEOUT ?= 12m

.DEFAULT_GOAL := help
.PHONY: help prepare build fmt lint test crash power soak stress compat trouble fuzz cgo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prepare: ## find the databases that the tests use, and install what is missing
	@scripts/prepare.sh

build: ## build all packages
	$(GO) build ./...

fmt: ## format all Go files
	gofmt -l -w .

lint: ## check formatting, go vet and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted (run make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)

test: prepare cgo lint ## prepare, lint, and run all tests with the race detector
	CGO_ENABLED=1 $(GO) test $(RACE_FLAGS) -vet=off -timeout $(TEST_TIMEOUT) $(if $(filter ./...,$(PACKAGES)),$(LONGEST)) $(PACKAGES)
	$(if $(filter ./...,$(PACKAGES)),$(GO) test -vet=off -timeout $(TEST_TIMEOUT) -run TestAllCommandsAnswerAsRedis ./test/compat)
	$(if $(filter ./...,$(PACKAGES)),$(GO) test -tags sim -vet=off -timeout $(TEST_TIMEOUT) -run 'TestSimulation$$' . -args -sim.seeds=2000)

# Which sections of the matrix are measured (empty: all), how much of it (quick or full), and on which
# CPUs, as in SERVER_CPUS=0-3 LOAD_CPUS=4-7 (empty: all). ROUNDS is how often each figure is measured.
ONLY ?=
SCALE ?= full
SERVER_CPUS ?=
LOAD_CPUS ?=

.PHONY: bench
bench: ROUNDS = 5
bench: prepare ## measure Lull beside Redis and plain SQL, write docs/benchmarks.md; as in: make bench ONLY=commands,memory ROUNDS=5 SCALE=quick
	$(GO) test -v -count=1 -timeout 24h -run TestMatrix ./test/bench -args -docs=$(CURDIR)/docs -scale=$(SCALE) -rounds=$(ROUNDS) \
		-only=$(ONLY) -server-cpus=$(SERVER_CPUS) -load-cpus=$(LOAD_CPUS)

# How often each database's Lull is killed, how many histories are checked and how often a stopped Lull wakes
# up for each database, and what is random. RACE=1 builds the server that is killed with the race detector too.
KILLS ?= 2000
HISTORIES ?= 67
ZOMBIES ?= 167
SEED ?= $(shell date +%s)

crash: prepare $(if $(RACE),cgo) ## kill Lull and its databases under load; as in: make crash KILLS=2000 SEED=1
	$(GO) test -v -count=1 -timeout 24h ./test/crash -args -kills=$(KILLS) -histories=$(HISTORIES) -zombies=$(ZOMBIES) -seed=$(SEED) $(if $(RACE),-race-server)

# How many seeds the simulation runs, from which one on, or the one whose trace it prints. The tag has all
# processes hash keys alike, so that a seed that fails in one fails in another.
SEEDS ?= 1000000
FROM ?= 1

.PHONY: sim
sim: ## run the engine through any order of events, by seeds; as in: make sim SEEDS=100000 FROM=1, make sim SEED=7
	$(GO) test -tags sim -v -count=1 -timeout 0 -run 'TestSimulation$$' . -args -sim.seeds=$(SEEDS) -sim.from=$(FROM) $(if $(filter command,$(firstword $(origin SEED))),-sim.seed=$(SEED))

# At how many of 2,000 file operations the power is cut, at each ack level (CUTS); how many of a
# log's 524,288 bits are flipped.
FLIPS ?= 524288

power: CUTS = 2000
power: ## cut the power, fail and fill disks, damage logs, in every way; needs Linux and root; as in: make power CUTS=200 FLIPS=50000
	LULL_POWER_CUTS=$(CUTS) $(GO) test -count=1 -v -timeout 24h -run 'TestPowerCutOfTheEngine|TestFailureOfEvery|TestFullDisk' .
	LULL_POWER_CUTS=$(CUTS) LULL_POWER_FLIPS=$(FLIPS) LULL_POWER_COMBINATIONS=1000000 LULL_POWER_REPAIRS=$(CUTS) \
		$(GO) test -count=1 -v -timeout 24h -run 'Torn|Pages|Flipped|RepairKeeps' ./internal/wal
	$(GO) test -count=1 -v -timeout 24h ./test/power -args -power -cuts=$(CUTS)

# How many times as much the engine's random tests do, and LULL_SEED their seed.
ROUNDS ?= 20

stress: prepare cgo ## the long form of the engine's random tests; as in: make stress ROUNDS=20 LULL_SEED=1
	LULL_ROUNDS=$(ROUNDS) $(if $(LULL_SEED),LULL_SEED=$(LULL_SEED)) CGO_ENABLED=1 $(GO) test $(RACE_FLAGS) -count=1 -timeout 24h .

# How often a flush is cut short on each database (CUTS), and how often each database is killed in one.
DATABASE_KILLS ?= 100
# How long each kind of outage lasts, in real and in simulated time, and how long writers outrun a slow
# database or share its rows with another program.
OUTAGE ?= 60s
SIMULATED ?= 1h
PRESSURE ?= 3m

trouble: CUTS = 5000
trouble: prepare cgo ## the long form of test/trouble: cuts, outages, bad rows; as in: make trouble CUTS=5000
	CGO_ENABLED=1 $(GO) test -v -count=1 -timeout 24h ./test/trouble -args -cuts=$(CUTS) -kills=$(DATABASE_KILLS) \
		-outage=$(OUTAGE) -simulated=$(SIMULATED) -pressure=$(PRESSURE) -seed=$(SEED)

# How many commands are sent to Lull and to Redis.
COMMANDS ?= 10000000

compat: prepare ## send random commands to Lull and to Redis; as in: make compat COMMANDS=10000000 SEED=1
	$(GO) test -v -count=1 -timeout 0 -run TestAllCommandsAnswerAsRedis ./test/compat -args -commands=$(COMMANDS) -seed=$(SEED)

# How long each fuzz target runs.
FUZZTIME ?= 30s

fuzz: ## run every fuzz target; as in: make fuzz FUZZTIME=10m
	@GO="$(GO)" scripts/fuzz.sh $(FUZZTIME)

# How long the load lasts, with a fault every FAULT_EVERY, and on which database: postgres, mariadb or sqlite
# (empty: all).
DURATION ?= 3h
FAULT_EVERY ?= 20s
DATABASE ?=

soak: prepare ## keep load up for long, with faults; as in: make soak DURATION=3h DATABASE=mariadb
	$(GO) test -count=1 -v -timeout 0 -run 'TestSoak/$(DATABASE)' ./test/crash -args -soak=$(DURATION) -fault-every=$(FAULT_EVERY) -seed=$(SEED)

# The race detector needs cgo and a C compiler.
cgo:
	@set -- $$($(GO) env CC); command -v "$$1" >/dev/null || { \
		echo "the race detector needs a C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev; macOS: xcode-select --install)" >&2; exit 1; }
