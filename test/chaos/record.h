/* What happened, a line each, as it can be played again:
 *   muster-chaos 1 CLIENTS PER_ROOM TWINS CHURN PUBLISH PREFIX
 *   NS MEMBER MARK TEXT
 * with the marks `>` told, `<` said, `=` connected to node TEXT, `x` lost, `/` closed by
 * itself, and `!` (of no member) something that the driver says: what the checker is to
 * take for granted. One thread. */
#ifndef MUSTER_CHAOS_RECORD_H
#define MUSTER_CHAOS_RECORD_H

#include "test/chaos/crowd.h"

struct record {
    FILE *to; /* NULL: nothing is kept */
};

/** False (and says why) where the file can't be made. */
bool record_open(struct record *r, const char *path, const struct geometry *g);
void record_close(struct record *r);
void record_line(struct record *r, uint64_t at, unsigned member, char mark,
                 struct slice text);

/** What the driver says to the checker: `away NODE 0|1`, `fault 0|1`, `order strict`,
 * `order common`, `order end`, `tails`, `settled`, `posted ROOM PUBLISHER SENT`. False:
 * none of these. */
bool record_told(struct crowd *c, const char *words);
/** Plays one line; false (and says why) where it makes no sense. */
bool record_play(struct crowd *c, char *line);
/** Inits c and plays a file into it; false (and says why). */
bool record_play_file(struct crowd *c, const char *path);
void record_report(const struct crowd *c, FILE *to);

#endif
