# Muster's build. Targets: all (build/muster), check, asan, tsan, analyze, fuzz, lint, bench,
# clean. `make V=asan` builds a variant under build/asan. See README.md.

CC ?= cc
V ?= release
BUILD := $(if $(filter release,$(V)),build,build/$(V))

# Third parties, by the folder that may use them (STYLE.md's layers; scripts/lint checks).
PKGS := libwebsockets jansson libcrypto libssl libconfig libcurl hiredis
# hiredis speaks TLS from 1.0 on (Debian 13); without it a configuration that asks for TLS to
# Redis is refused at the start.
ifeq ($(shell pkg-config --exists hiredis_ssl && echo yes),yes)
PKGS += hiredis_ssl
TLS_DEFS := -DMUSTER_REDIS_TLS
endif
EV_LIBS := -lev

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wwrite-strings \
	-Wformat=2 -Wswitch-enum $(if $(CI),-Werror)
STD := -std=c17 -D_GNU_SOURCE -I.
SYSINC := $(patsubst -I%,-isystem %,$(filter -I%,$(shell pkg-config --cflags $(PKGS))))

OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LD_release := -pie -Wl,-z,relro,-z,now
OPT_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LD_asan := -fsanitize=address,undefined
OPT_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
LD_tsan := -fsanitize=thread
OPT_analyze := -O1 -g -fanalyzer -Werror
OPT_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
LD_fuzz := -fsanitize=fuzzer,address,undefined

CFLAGS += $(STD) $(TLS_DEFS) $(WARN) $(OPT_$(V)) $(SYSINC) -MMD -MP -pthread
LDFLAGS += $(LD_$(V)) -pthread
LDLIBS := $(shell pkg-config --libs $(PKGS)) $(EV_LIBS)

SRC := $(wildcard server/base/*.c conf/*.c protocol/*.c presence/*.c adapters/*.c server/*.c)
LIB_SRC := $(filter-out server/main.c,$(SRC))
# The scripts that run in Redis, in the order of enum redis_script.
LUA := $(patsubst %,adapters/redis/%.lua,batch verify list beat kill reap keep kept lookup webhooks)
GEN_OBJ := $(BUILD)/obj/server/demo_page.o $(BUILD)/obj/adapters/redis_lua.o
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o) $(GEN_OBJ)
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(GEN_OBJ)
UNIT := $(patsubst test/unit/%.c,$(BUILD)/test/%,$(wildcard test/unit/*_test.c))
LOAD := $(patsubst test/load/%.c,$(BUILD)/load/%,$(wildcard test/load/*.c))
FUZZ := $(patsubst test/fuzz/%.c,build/fuzz/test/%,$(wildcard test/fuzz/fuzz_*.c))

.PHONY: all check unit load sim chaos chaos-bins chaos-short asan tsan analyze analyze-objects fuzz fuzz-bins lint bench clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BUILD)/muster

$(BUILD)/muster: $(OBJ)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

# The demo's page, embedded as bytes.
$(BUILD)/gen/demo_page.c: server/demo.html scripts/embed
	@mkdir -p $(@D)
	scripts/embed demo_page $< > $@

$(BUILD)/obj/server/demo_page.o: $(BUILD)/gen/demo_page.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/gen/redis_lua.c: $(LUA) adapters/redis/lib.lua scripts/embed-lua
	@mkdir -p $(@D)
	scripts/embed-lua $(LUA) > $@

$(BUILD)/obj/adapters/redis_lua.o: $(BUILD)/gen/redis_lua.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/libmuster.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

unit: $(UNIT)

$(BUILD)/test/%: test/unit/%.c $(BUILD)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LDLIBS) -lcmocka

# The simulator's Redis against a real one.
$(BUILD)/test/redis_fake_test: $(patsubst %,$(BUILD)/obj/test/sim/%.o,fake_redis fake_data fake_hooks memory)

load: $(LOAD)

$(BUILD)/load/%: test/load/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -lcrypto

# The simulator of clusters (PRESENCE.md): virtual time, a seed for each world.
SEEDS ?= 1-2000
SIM_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard test/sim/*.c)) \
	$(filter $(BUILD)/obj/presence/% $(BUILD)/obj/protocol/% $(BUILD)/obj/server/base/%,$(LIB_OBJ))

$(BUILD)/sim/muster-sim: $(SIM_OBJ)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

sim: $(BUILD)/sim/muster-sim
	$< $(SEEDS)

# Real nodes, real clients, real faults (test/chaos): SCENARIOS=a,b some of them, all by default.
CHAOS_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard test/chaos/*.c)) \
	$(BUILD)/obj/test/sim/invariants.o $(BUILD)/obj/test/sim/memory.o

$(BUILD)/chaos/muster-chaos: $(CHAOS_OBJ) $(BUILD)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/chaos/shim.so: test/chaos/shim/shim.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) -O2 -g -fPIC -shared -pthread -o $@ $<

chaos-bins: $(BUILD)/muster $(BUILD)/chaos/muster-chaos $(BUILD)/chaos/shim.so

chaos chaos-short: chaos-bins
	MUSTER_BIN=$(BUILD)/muster CHAOS_BIN=$(BUILD)/chaos/muster-chaos test/chaos/run \
		$(if $(filter chaos-short,$@),--short,$(SCENARIOS))

# clang warns about other things, and each version about others: gcc decides (CI= is no -Werror).
fuzz-bins:
	$(MAKE) V=fuzz CC=clang CI= $(FUZZ)

build/fuzz/test/%: test/fuzz/%.c build/fuzz/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< build/fuzz/libmuster.a $(LDLIBS)

# What scripts/test runs, step by step, without its look for missing packages.
check:
	NO_INSTALL=1 scripts/test unit wire

asan tsan:
	NO_INSTALL=1 scripts/test $@

FUZZ_SECONDS ?= 60
fuzz:
	scripts/fuzz $(FUZZ_SECONDS)

lint: $(OBJ)
	scripts/lint

# gcc's analyzer over every source, then cppcheck where it is installed (its finds of
# uninitialised memory are wrong where a callee fills an array; gcc sees those rightly).
analyze:
	$(MAKE) V=analyze CC=gcc analyze-objects
	! command -v cppcheck >/dev/null || cppcheck -q -I. --std=c11 --library=posix --library=gnu \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=uninitvar --suppress=uninitdata --suppress=ctuuninitvar $(SRC)

analyze-objects: $(OBJ)

clean:
	rm -rf build

-include $(shell find build -path build/debian -prune -o -name "*.d" -print 2>/dev/null)
