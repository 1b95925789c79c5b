/* A fake master's data as a whole: emptied, copied, and come back to. */
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "test/sim/fake_redis.h"

static void data_fini(struct fake_data *d)
{
    for (unsigned i = 0; i < PARTITIONS; i++)
        free(d->partitions[i].holders);
    for (unsigned i = 0; i < d->n_channels; i++) {
        struct fake_channel *c = &d->channels[i];

        for (unsigned j = 0; j < c->n_members; j++)
            free(c->members[j].refs);
        free(c->members);
        free(c->counts);
    }
    free(d->channels);
    free(d->beats);
    free(d->hooks);
    free(d->leases);
    memset(d, 0, sizeof *d);
}

static void *dup_array(const void *p, unsigned room, size_t size)
{
    return room ? memcpy(xmalloc(room * size), p, room * size) : NULL;
}

static void dup_channel(struct fake_channel *c)
{
    c->members = dup_array(c->members, c->members_room, sizeof *c->members);
    for (unsigned j = 0; j < c->n_members; j++)
        c->members[j].refs = dup_array(c->members[j].refs, c->members[j].room,
                                       sizeof(struct fake_reference));
    c->counts = dup_array(c->counts, c->counts_room, sizeof *c->counts);
}

struct fake_data *fake_copy(const struct fake *f)
{
    struct fake_data *d = dup_array(&f->data, 1, sizeof f->data);

    for (unsigned i = 0; i < PARTITIONS; i++)
        d->partitions[i].holders = dup_array(
            d->partitions[i].holders, d->partitions[i].room, sizeof(struct fake_holder));
    d->channels = dup_array(d->channels, d->channels_room, sizeof *d->channels);
    for (unsigned i = 0; i < d->n_channels; i++)
        dup_channel(&d->channels[i]);
    d->beats = dup_array(d->beats, d->beats_room, sizeof *d->beats);
    d->hooks = dup_array(d->hooks, d->hooks_room, sizeof *d->hooks);
    d->leases = dup_array(d->leases, d->leases_room, sizeof *d->leases);
    return d;
}

void fake_drop(struct fake_data *copy)
{
    data_fini(copy);
    free(copy);
}

void fake_restore(struct fake *f, struct fake_data *copy)
{
    data_fini(&f->data);
    f->data = *copy;
    free(copy);
}

void fake_init(struct fake *f, struct fake_rules rules, struct names *names)
{
    memset(f, 0, sizeof *f);
    f->rules = rules;
    f->names = names;
}

void fake_fini(struct fake *f)
{
    data_fini(&f->data);
}

void fake_empty(struct fake *f)
{
    data_fini(&f->data);
}
