/* Written as it happens, read back line by line into the same calls: what a run has found
 * can be looked at again, and reduced, without the run. */
#include "test/chaos/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "test/chaos/watch.h"
#include "test/load/json.h"

static const char head[] = "muster-chaos 1 %u %u %u %u %u %47s";

bool record_open(struct record *r, const char *path, const struct geometry *g)
{
    r->to = path ? fopen(path, "we") : NULL;
    if (path && !r->to) {
        fprintf(stderr, "muster-chaos: %s: %s\n", path, strerror(errno));
        return false;
    }
    if (r->to)
        fprintf(r->to, "muster-chaos 1 %u %u %u %u %u %s\n", g->clients, g->per_room,
                g->twins, g->churn, g->publish, g->prefix);
    return true;
}

void record_close(struct record *r)
{
    if (r->to)
        fclose(r->to);
    r->to = NULL;
}

void record_line(struct record *r, uint64_t at, unsigned member, char mark,
                 struct slice text)
{
    if (!r->to)
        return;
    fprintf(r->to, "%" PRIu64 " %u %c ", at, member, mark);
    fwrite(text.p ? text.p : "", 1, text.n, r->to);
    putc('\n', r->to);
}

static bool told_posted(struct crowd *c, const char *words)
{
    unsigned room, publisher, sent;

    if (sscanf(words, "posted %u %u %u", &room, &publisher, &sent) != 3 ||
        room >= c->n_rooms)
        return false;
    c->rooms[room].poster = (struct poster){publisher, sent, c->now};
    return true;
}

static void tell_away(struct crowd *c, unsigned node, bool on)
{
    c->away[node] = on;
    c->away_at[node] = c->now;
}

bool record_told(struct crowd *c, const char *words)
{
    unsigned node, on;

    if (sscanf(words, "away %u %u", &node, &on) == 2 && node < NODES_MAX)
        tell_away(c, node, on);
    else if (sscanf(words, "fault %u", &on) == 1)
        c->fault = on;
    else if (strcmp(words, "order strict") == 0 || strcmp(words, "order common") == 0)
        order_begin(c, words[6] == 's');
    else if (strcmp(words, "order end") == 0)
        order_end(c);
    else if (strcmp(words, "tails") == 0)
        order_tails(c);
    else if (strcmp(words, "settled") == 0)
        truth_settled(c);
    else
        return told_posted(c, words);
    return true;
}

static bool play_said(struct member *m, struct slice text)
{
    struct slice event = json_member(text, "event");

    if (json_is(event, "pusher:subscribe"))
        watch_join(m);
    else if (json_is(event, "pusher:unsubscribe"))
        watch_leave(m);
    else if (json_is(event, "client-chaos"))
        watch_sent(m);
    return event.p;
}

static bool play(struct member *m, char mark, char *text)
{
    switch (mark) {
    case '>':
        watch_text(m, slice_of(text));
        return true;
    case '<':
        return play_said(m, slice_of(text));
    case '=':
        watch_open(m, (unsigned)strtoul(text, NULL, 10) % NODES_MAX);
        return true;
    case 'x':
        watch_lost(m);
        return true;
    case '/':
        watch_close(m);
        return true;
    default:
        return false;
    }
}

bool record_play(struct crowd *c, char *line)
{
    uint64_t at;
    unsigned member;
    char mark;
    int n = 0;

    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%" SCNu64 " %u %c %n", &at, &member, &mark, &n) == 3 && n) {
        c->now = at;
        if (mark == '!' ? record_told(c, line + n)
                        : member < c->n && play(&c->members[member], mark, line + n))
            return true;
    }
    fprintf(stderr, "muster-chaos: not a record's line: %.200s\n", line);
    return false;
}

bool record_play_file(struct crowd *c, const char *path)
{
    struct geometry g = {0};
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool ok = f && getline(&line, &room, f) > 0 &&
              sscanf(line, head, &g.clients, &g.per_room, &g.twins, &g.churn, &g.publish,
                     g.prefix) == 6 &&
              g.clients && g.clients < 100000 && g.twins * 2 <= g.per_room && g.per_room;

    if (ok)
        crowd_init(c, &g);
    else
        fprintf(stderr, "muster-chaos: %s: no record\n", path);
    while (ok && getline(&line, &room, f) > 0)
        ok = record_play(c, line);
    free(line);
    if (f)
        fclose(f);
    return ok;
}

void record_report(const struct crowd *c, FILE *to)
{
    const struct tally *t = &c->tally;
    const char *comma = "";

    putc('{', to);
#define PRINT(name)                                     \
    fprintf(to, "%s\"" #name "\":%lu", comma, t->name); \
    comma = ",";
    TALLY(PRINT)
#undef PRINT
    fputs("}\n", to);
    fflush(to);
}
