#include "test/sim/memory.h"

#include <stdlib.h>

#include "server/base/xalloc.h"

union block {
    union block *next;
    _Alignas(16) char align[16];
};

void *arena_alloc(struct arena *a, size_t size)
{
    union block *b = xcalloc(1, sizeof *b + size);

    b->next = a->blocks;
    a->blocks = b;
    return b + 1;
}

void arena_fini(struct arena *a)
{
    union block *next;

    for (union block *b = a->blocks; b; b = next) {
        next = b->next;
        free(b);
    }
    a->blocks = NULL;
}

void *grown(void *p, unsigned n, unsigned *room, size_t size)
{
    if (n < *room)
        return p;
    *room = *room ? 2 * *room : 8;
    return xrealloc(p, *room * size);
}

const struct name *name_of(struct names *names, struct slice text)
{
    struct name *fresh;

    if (!text.p)
        return NULL;
    for (unsigned i = 0; i < names->n; i++)
        if (slice_eq(names->all[i]->text, text))
            return names->all[i];
    names->all = grown(names->all, names->n, &names->room, sizeof *names->all);
    fresh = xmalloc(sizeof *fresh);
    fresh->id = names->n + 1;
    fresh->text = (struct slice){xmemdup0(text.p, text.n), text.n};
    return names->all[names->n++] = fresh;
}

struct slice name_text(struct names *names, struct slice text)
{
    const struct name *name = name_of(names, text);

    return name ? name->text : SLICE_NONE;
}

void names_fini(struct names *names)
{
    for (unsigned i = 0; i < names->n; i++) {
        free((void *)(size_t)names->all[i]->text.p);
        free(names->all[i]);
    }
    free(names->all);
}
