# Muster's build. Targets: all (build/muster), check, asan, tsan, analyze, fuzz, lint, bench,
# clean. `make V=asan` builds a variant under build/asan. See README.md.

CC ?= cc
V ?= release
BUILD := $(if $(filter release,$(V)),build,build/$(V))

# Third parties, by the folder that may use them (STYLE.md's layers; scripts/lint checks).
PKGS := libwebsockets jansson libcrypto libconfig libcurl
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

CFLAGS += $(STD) $(WARN) $(OPT_$(V)) $(SYSINC) -MMD -MP -pthread
LDFLAGS += $(LD_$(V)) -pthread
LDLIBS := $(shell pkg-config --libs $(PKGS)) $(EV_LIBS)

SRC := $(wildcard server/base/*.c conf/*.c protocol/*.c presence/*.c adapters/*.c server/*.c)
LIB_SRC := $(filter-out server/main.c,$(SRC))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/server/demo_page.o
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/server/demo_page.o
UNIT := $(patsubst test/unit/%.c,$(BUILD)/test/%,$(wildcard test/unit/*_test.c))
LOAD := $(patsubst test/load/%.c,$(BUILD)/load/%,$(wildcard test/load/*.c))
FUZZ := $(patsubst test/fuzz/%.c,build/fuzz/test/%,$(wildcard test/fuzz/fuzz_*.c))

.PHONY: all check unit load asan tsan analyze analyze-objects fuzz fuzz-bins lint bench clean
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

$(BUILD)/libmuster.a: $(LIB_OBJ)
	rm -f $@
	ar rcs $@ $^

unit: $(UNIT)

$(BUILD)/test/%: test/unit/%.c $(BUILD)/libmuster.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libmuster.a $(LDLIBS) -lcmocka

load: $(LOAD)

$(BUILD)/load/%: test/load/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -lcrypto

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
