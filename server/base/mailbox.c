#include "server/base/mailbox.h"

#include <assert.h>
#include <stdbool.h>

#include "server/base/clock.h"

void mailbox_init(struct mailbox *m, void (*wake)(void *), void *context)
{
    pthread_mutex_init(&m->lock, NULL);
    m->first = NULL;
    m->end = &m->first;
    m->rest = NULL;
    m->wake = wake;
    m->context = context;
}

void mailbox_fini(struct mailbox *m)
{
    assert(!m->first && !m->rest);
    pthread_mutex_destroy(&m->lock);
}

void mailbox_post(struct mailbox *m, struct letter *letter)
{
    bool was_empty;

    letter->next = NULL;
    pthread_mutex_lock(&m->lock);
    was_empty = !m->first;
    *m->end = letter;
    m->end = &letter->next;
    pthread_mutex_unlock(&m->lock);
    if (was_empty)
        m->wake(m->context);
}

static struct letter *take_new(struct mailbox *m)
{
    struct letter *batch;

    pthread_mutex_lock(&m->lock);
    batch = m->first;
    m->first = NULL;
    m->end = &m->first;
    pthread_mutex_unlock(&m->lock);
    return batch;
}

struct letter *mailbox_take(struct mailbox *m)
{
    struct letter *batch = m->rest, **end = &m->rest;

    while (*end)
        end = &(*end)->next;
    *end = take_new(m);
    batch = m->rest;
    m->rest = NULL;
    return batch;
}

void mailbox_receive(struct mailbox *m, unsigned ms, void (*f)(struct letter *, void *),
                     void *context)
{
    enum { LETTERS_A_LOOK = 16 }; /* at the clock */
    uint64_t until = clock_ms() + ms;

    for (unsigned n = 1; m->rest || (m->rest = take_new(m)); n++) {
        struct letter *first = m->rest;

        m->rest = first->next;
        f(first, context);
        if (n % LETTERS_A_LOOK == 0 && clock_ms() >= until) {
            /* Even if the rest is done: the box may have filled meanwhile, and the wake
             * for that be used up. */
            m->wake(m->context);
            return;
        }
    }
}
