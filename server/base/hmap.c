#include "server/base/hmap.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/xalloc.h"

enum { FIRST_BUCKETS = 8 };

void hmap_init(struct hmap *m)
{
    m->buckets = xcalloc(FIRST_BUCKETS, sizeof *m->buckets);
    m->mask = FIRST_BUCKETS - 1;
    m->n = 0;
}

void hmap_fini(struct hmap *m)
{
    free(m->buckets);
    m->buckets = NULL;
    m->n = 0;
}

static void push(struct hmap *m, struct hmap_node *node)
{
    struct hmap_node **bucket = &m->buckets[node->hash & m->mask];

    node->next = *bucket;
    *bucket = node;
}

static void resize(struct hmap *m, size_t buckets)
{
    struct hmap_node **old = m->buckets;
    size_t old_n = m->mask + 1;

    m->buckets = xcalloc(buckets, sizeof *m->buckets);
    m->mask = buckets - 1;
    for (size_t i = 0; i < old_n; i++) {
        for (struct hmap_node *n = old[i], *next; n; n = next) {
            next = n->next;
            push(m, n);
        }
    }
    free(old);
}

void hmap_insert(struct hmap *m, struct hmap_node *node, uint64_t hash)
{
    if (m->n > m->mask)
        resize(m, (m->mask + 1) * 2);
    node->hash = hash;
    push(m, node);
    m->n++;
}

void hmap_remove(struct hmap *m, struct hmap_node *node)
{
    struct hmap_node **at = &m->buckets[node->hash & m->mask];

    while (*at != node) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->n--;
    if (m->mask + 1 > FIRST_BUCKETS && m->n < (m->mask + 1) / 8)
        resize(m, (m->mask + 1) / 2); /* a storm that has passed gives its memory back */
}

static struct hmap_node *seek(struct hmap_node *n, uint64_t hash)
{
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

struct hmap_node *hmap_first(const struct hmap *m, uint64_t hash)
{
    return seek(m->buckets[hash & m->mask], hash);
}

struct hmap_node *hmap_next(const struct hmap_node *node, uint64_t hash)
{
    return seek(node->next, hash);
}

void hmap_each(struct hmap *m, void (*f)(struct hmap_node *, void *), void *context)
{
    for (size_t i = 0; i <= m->mask; i++) {
        for (struct hmap_node *n = m->buckets[i], *next; n; n = next) {
            next = n->next;
            f(n, context);
        }
    }
}
