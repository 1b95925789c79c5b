#include "server/base/wheel.h"

void wheel_init(struct wheel *w)
{
    w->now = 0;
    for (int i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
}

void wheel_entry_init(struct wheel_entry *e)
{
    list_init(&e->node);
}

void wheel_arm(struct wheel *w, struct wheel_entry *e, uint32_t seconds)
{
    list_remove(&e->node);
    e->due = w->now + (seconds ? seconds : 1);
    list_append(&w->slots[e->due % WHEEL_SLOTS], &e->node);
}

void wheel_cancel(struct wheel_entry *e)
{
    list_remove(&e->node);
}

void wheel_tick(struct wheel *w, void (*fire)(struct wheel_entry *, void *),
                void *context)
{
    struct list batch, later;
    struct list *slot = &w->slots[++w->now % WHEEL_SLOTS];

    list_init(&batch);
    list_init(&later);
    list_splice(&batch, slot);
    while (!list_empty(&batch)) {
        struct list *first = batch.next;
        struct wheel_entry *e = CONTAINER_OF(first, struct wheel_entry, node);

        list_remove(first);
        if (e->due == w->now)
            fire(e, context);
        else
            list_append(&later, first); /* another turn of the wheel */
    }
    list_splice(slot, &later);
}
