/* Log lines on standard error: a stable id and key=value pairs, one write() a line, as
 * text or JSON. Any thread. Never pass a secret, and never a payload above debug.
 *
 *     log_warn("ws.slow", "app=%s socket=%s bytes=%zu", app, socket, bytes);
 *
 * The format string is a list of key=value pairs separated by single spaces; each value
 * is one conversion or literal text without spaces (text with spaces goes through %s:
 * what a conversion prints is quoted and escaped as needed). The level and form are two
 * named atomics in log.c, set once at start. */
#ifndef MUSTER_BASE_LOG_H
#define MUSTER_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_form { LOG_FORM_TEXT, LOG_FORM_JSON };

/** Lines below level are dropped from now on. Before the first call: info, text. */
void log_setup(enum log_level level, enum log_form form);
void log_at(enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
