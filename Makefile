# SPDX-License-Identifier: Apache-2.0
# The build. Everything lands in $(BUILD); sources are found by wildcard, dependencies by the compiler.
# `make help` prints the lines below that begin with two number signs.

BUILD   ?= build
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
WERROR  ?= -Werror
PREFIX  ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
SYSTEMD ?= $(if $(filter /usr,$(PREFIX)),/lib,$(PREFIX)/lib)/systemd/system
VERSION := 0.1.0

# SANITIZE=address,undefined builds everything instrumented; give it a BUILD of its own.
SANITIZE ?=
FUZZ_SECONDS ?= 60
HAMMER_SECONDS ?= 600

PYTHON := /usr/bin/python3
LIBS   := -lm -lconfig -lpcre2-8 -lssl -lcrypto -ljansson -lcares -lcrypt -lhiredis -lz -lbrotlienc
FLAGS  := -std=gnu17 -O2 -g -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion $(WERROR) \
          -fPIE -fstack-protector-strong -fno-common -ffunction-sections -I. -DGATEWAY_VERSION='"$(VERSION)"'
ifeq ($(SANITIZE),)
FLAGS  += -D_FORTIFY_SOURCE=3
LINK   := -pie -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections
else
FLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK   := -pie -fsanitize=$(SANITIZE) -Wl,--as-needed
endif
COMPILE = $(CC) $(FLAGS) $(CFLAGS) -MMD -MP
# One short line a step; V=1 shows the commands.
SAY      = $(if $(V),,@echo "  $(1) $@";)

# ---- what there is ---------------------------------------------------------------------------------------------
SOURCES := $(sort $(wildcard conf/*.c conf/*/*.c shm/*.c worker/*.c worker/*/*.c master/*.c master/*/*.c))
MAINS   := master/main.c master/gatewayctl.c
LIBRARY := $(BUILD)/libgateway.a
OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(MAINS),$(SOURCES)))
UNIT    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,\
             $(sort $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)))
PROC    := $(patsubst tests/proc/%.c,$(BUILD)/proc/%,$(sort $(filter-out tests/proc/fake_%.c,$(wildcard tests/proc/*.c))))
FUZZ    := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_OBJECTS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz-objects/%.o,$(wildcard tests/fuzz/fuzz_*.c))
FAULT   := $(patsubst tests/e2e/%.c,$(BUILD)/e2e/%.so,$(wildcard tests/e2e/*.c))
# The daemon as it may be one day, for the tests of upgrades: another version; another layout of the cache.
OTHER   := $(BUILD)/e2e/gateway-next $(BUILD)/e2e/gateway-layout
OTHER_VERSION := $(patsubst %,$(BUILD)/next/%.o,$(basename $(shell grep -l GATEWAY_VERSION master/*.c master/control/*.c | grep -v ctl)))
OTHER_LAYOUT := $(patsubst %,$(BUILD)/layout/%.o,$(basename $(shell grep -l CACHE_VERSION master/*.c master/control/*.c)))
PROGRAMS := $(patsubst master/main.c,$(BUILD)/gateway,\
              $(patsubst master/gatewayctl.c,$(BUILD)/gatewayctl,$(wildcard $(MAINS))))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all help run test unit proc e2e tests hammer asan asan-gateway fuzz fuzz-targets lint format bench bench-evict bench-hits bench-plugins bench-purge bench-burst bench-scale install man clean bench-balance bench-probes

# A changed compiler, flag or list of sources rebuilds what depends on it; an unchanged one touches nothing.
define remember
ifneq ($$(strip $$(file <$(1))),$$(strip $(2)))
$$(shell mkdir -p $$(dir $(1)))
$$(file >$(1),$$(strip $(2)))
endif
endef
ifneq ($(filter-out help clean lint format,$(or $(MAKECMDGOALS),all)),)
$(eval $(call remember,$(BUILD)/flags,$(CC) $(FLAGS) $(CFLAGS) | $(LINK) $(LDFLAGS) $(LIBS)))
$(eval $(call remember,$(BUILD)/sources,$(OBJECTS)))
endif

## make            the daemon and its control tool: build/gateway, build/gatewayctl
all: $(PROGRAMS)

## make run        what is missing is installed, then a demo origin and the gateway in front of it until Ctrl-C;
##                 ONCE=1 runs the three curls instead of waiting, and ends
run:
	@scripts/deps build
	@$(MAKE) --no-print-directory all
	@scripts/run $(BUILD) $(ONCE)

## make test       what is missing is installed, then all tests: unit, processes, end to end
test:
	@scripts/deps build test
	@$(MAKE) --no-print-directory all tests
	@$(PYTHON) tests/run --build $(BUILD) unit proc e2e

## make unit       the unit tests alone (make proc, make e2e: the other two layers)
unit proc e2e: all tests
	@$(PYTHON) tests/run --build $(BUILD) $@

## make tests      builds the test programs and runs none
tests: $(UNIT) $(PROC) $(FAULT) $(OTHER) $(FUZZ_OBJECTS)

## make hammer     the cache under kill -9: writers die at any instruction, for HAMMER_SECONDS (600)
hammer: $(BUILD)/proc/crash_anywhere $(BUILD)/proc/hammer_cache $(BUILD)/proc/hammer_ticket
	@for test in $^; do HAMMER_SECONDS=$(HAMMER_SECONDS) $$test || exit 1; done

## make asan       unit and process tests under AddressSanitizer and UndefinedBehaviorSanitizer
asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined tests
	@$(PYTHON) tests/run --build $(BUILD)/asan unit proc

## make asan-gateway  the daemon so instrumented, in build/asan; GATEWAY_BUILD=build/asan makes the e2e tests use it
asan-gateway:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined all

## make fuzz       every fuzz target for FUZZ_SECONDS (60) each; ONLY=name picks one
fuzz:
	@scripts/deps fuzz
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-targets
	@scripts/fuzz $(BUILD)/fuzz $(FUZZ_SECONDS) $(ONLY)

fuzz-targets: $(FUZZ)

## make lint       formatting, static analysis, who includes whom, sizes, the order of the stages
lint:
	@scripts/deps build lint
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) scripts/lint

## make format     lets clang-format rewrite the C sources in place
format:
	@find conf shm worker master tests -name '*.[ch]' | xargs clang-format -i

## make bench      CPU per request beside the floor and the peers: ARGS="--only hit-1k --rounds 1"
bench: all
	@scripts/deps bench
	@$(PYTHON) tests/bench/bench.py --gateway $(BUILD)/gateway $(ARGS)

## make bench-plugins  what plugins add to a proxied request, with 1 consumer and with 100,000 (five minutes)
bench-plugins: all
	@scripts/deps bench
	@$(PYTHON) tests/bench/plugins.py --gateway $(BUILD)/gateway $(ARGS)

## make bench-purge  what a purge costs, and a hit after it, over 1,000,000 objects (ten seconds, 2 GB)
bench-purge: $(BUILD)/bench/bench_purge
	@$(BUILD)/bench/bench_purge

## make bench-evict  misses of the cache beside LRU, FIFO, S3-FIFO, SIEVE and what is possible (a minute)
bench-evict: $(BUILD)/bench/eviction
	@$<

## make bench-hits   what a hit costs in the cache itself: one object, a million, two processes on one
bench-hits: $(BUILD)/bench/hits
	@$<

## make bench-balance  what balancing and health add to a proxied request, at 2 and 1,000 targets (two minutes)
bench-balance: all
	@$(PYTHON) tests/bench/bench_balance.py --gateway $(BUILD)/gateway $(ARGS)

## make bench-probes  the checker's cost of 10,000 targets, each probed every 10 s, and the bare calls' (two minutes)
bench-probes: all $(BUILD)/bench/probes_floor
	@$(PYTHON) tests/bench/bench_probes.py --gateway $(BUILD)/gateway $(ARGS)
	@$(PYTHON) tests/bench/bench_probes.py --gateway $(BUILD)/gateway --close --floor $(BUILD)/bench/probes_floor $(ARGS)

## make bench-burst  1,000 requests for one cold key over 4 workers: how long after the first is the last served
bench-burst: all $(BUILD)/bench/burst
	@$(BUILD)/bench/burst $(BUILD)/gateway $(ARGS)

## make bench-scale  CPU, cycles and instructions of a hit among 1 object and among 1,000,000 (a minute, 2 GB)
bench-scale: all $(BUILD)/bench/scale
	@$(BUILD)/bench/scale $(BUILD)/gateway $(ARGS)

## make install    DESTDIR and PREFIX (/usr/local): programs, configuration, systemd unit, manual pages
install: all man
	install -D -m 755 $(BUILD)/gateway $(DESTDIR)$(PREFIX)/sbin/gateway
	install -D -m 755 $(BUILD)/gatewayctl $(DESTDIR)$(PREFIX)/bin/gatewayctl
	install -d $(DESTDIR)$(SYSCONFDIR)/gateway
	test -e $(DESTDIR)$(SYSCONFDIR)/gateway/gateway.conf || \
	    sed 's|^prefix = .*|prefix = "/run/gateway";|' gateway.conf > $(DESTDIR)$(SYSCONFDIR)/gateway/gateway.conf
	install -d $(DESTDIR)$(SYSTEMD)
	sed -e 's|@SBIN@|$(PREFIX)/sbin|; s|@BIN@|$(PREFIX)/bin|; s|@ETC@|$(SYSCONFDIR)|' scripts/gateway.service \
	    > $(DESTDIR)$(SYSTEMD)/gateway.service
	for page in $(BUILD)/man/*; do \
	    install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done

# The page of the configuration file is made from the table of fields that the daemon itself reads with.
man: all
	@mkdir -p $(BUILD)/man
	@$(BUILD)/gateway --manual > $(BUILD)/man/gateway.conf.5
	@for page in $(wildcard master/*.[1-8]); do cp $$page $(BUILD)/man/; done

## make clean      removes build/
clean:
	rm -rf $(BUILD)

## make help       this list
help:
	@sed -n 's/^## //p' Makefile

# ---- how it is made --------------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,CC  )$(COMPILE) -c -o $@ $<

$(LIBRARY): $(OBJECTS) $(BUILD)/sources
	@rm -f $@
	@ar rcs $@ $(OBJECTS)

# The daemon is linked from all objects, not from the archive, so that two symbols of one name are found.
$(BUILD)/gateway: $(BUILD)/obj/master/main.o $(OBJECTS) $(BUILD)/sources
	$(call SAY,LINK)$(CC) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBS)

# Archive linking takes only the objects that a program needs: gatewayctl carries nothing of the daemon.
$(BUILD)/gatewayctl: $(BUILD)/obj/master/gatewayctl.o $(LIBRARY)
	$(call SAY,LINK)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

# A test may include the .c that it tests, or helpers beside it; everything else comes out of the archive.
$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,TEST)$(COMPILE) -MF $@.d -MT $@ $(LINK) -o $@ $< $(LIBRARY) -lcmocka -ljwt -lm $(LIBS)

$(BUILD)/proc/%: tests/proc/%.c $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,TEST)$(COMPILE) -MF $@.d -MT $@ $(LINK) -o $@ $< $(LIBRARY) -lcmocka -lm $(LIBS)

$(BUILD)/bench/%: tests/bench/%.c $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,TEST)$(COMPILE) -MF $@.d -MT $@ $(LINK) -o $@ $< $(LIBRARY) -lm $(LIBS)

$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,TEST)$(COMPILE) -MF $@.d -MT $@ $(subst fuzzer-no-link,fuzzer,$(FLAGS) $(LINK)) -o $@ $< $(LIBRARY) $(LIBS)

# Without the fuzzer's library there is no program, but the sources keep compiling.
$(BUILD)/fuzz-objects/%.o: tests/fuzz/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,CC  )$(COMPILE) -c -o $@ $<

$(BUILD)/e2e/%.so: tests/e2e/%.c tests/e2e/dice.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,TEST)$(CC) -std=gnu17 -O1 -g -Wall -Wextra -fPIC -shared -o $@ $< -ldl

$(OTHER_VERSION): $(BUILD)/next/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(COMPILE) -UGATEWAY_VERSION -DGATEWAY_VERSION='"$(VERSION)-next"' -c -o $@ $<

$(OTHER_LAYOUT): $(BUILD)/layout/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(COMPILE) -DCACHE_OTHER_LAYOUT=1000 -c -o $@ $<

$(BUILD)/e2e/gateway-%: $(BUILD)/gateway $(OTHER_VERSION) $(OTHER_LAYOUT)
	@mkdir -p $(@D)
	$(call SAY,TEST)$(CC) $(LINK) $(LDFLAGS) -o $@ $(OTHER_VERSION) $(if $(findstring layout,$@),$(OTHER_LAYOUT)) \
	    $(filter-out $(patsubst $(BUILD)/next/%,$(BUILD)/obj/%,$(OTHER_VERSION)) \
	      $(if $(findstring layout,$@),$(patsubst $(BUILD)/layout/%,$(BUILD)/obj/%,$(OTHER_LAYOUT))),$(OBJECTS)) $(LIBS)

-include $(OTHER_VERSION:.o=.d) $(OTHER_LAYOUT:.o=.d)
-include $(SOURCES:%.c=$(BUILD)/obj/%.d) $(UNIT:=.d) $(PROC:=.d) $(FUZZ:=.d) $(FUZZ_OBJECTS:.o=.d) $(BUILD)/bench/eviction.d $(BUILD)/bench/hits.d $(BUILD)/bench/bench_purge.d $(BUILD)/bench/burst.d $(BUILD)/bench/scale.d $(BUILD)/bench/probes_floor.d
