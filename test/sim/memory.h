/* What the simulator keeps its data in: arenas, freed at once, and names, strings that
 * exist once and live as long as the world. One thread. */
#ifndef MUSTER_SIM_MEMORY_H
#define MUSTER_SIM_MEMORY_H

#include "server/base/slice.h"

struct arena {
    void *blocks; /* a chain */
};

/** size zeroed bytes, until arena_fini. */
void *arena_alloc(struct arena *a, size_t size);
void arena_fini(struct arena *a);

struct name {
    unsigned id; /* from 1, in the order of their coming */
    struct slice text;
};

struct names {
    struct name **all;
    unsigned n, room;
};

/** The one name with this text; NULL for an absent slice. */
const struct name *name_of(struct names *names, struct slice text);
/** The same text, living as long as the names. */
struct slice name_text(struct names *names, struct slice text);
void names_fini(struct names *names);

/** For arrays that grow: room for one more element of `size` bytes behind n. */
void *grown(void *p, unsigned n, unsigned *room, size_t size);

#endif
