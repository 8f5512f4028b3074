// A small harness: tests are functions, and a check that fails ends its test.
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viaduct.h"

// Longer than anything takes that works, and shorter than anybody's patience.
#define PATIENCE 60000

typedef struct test {
    const char *name;
    void (*run)(void);
} test;

// The tests of each file, ended by an entry without a name.
extern const test values_tests[], client_tests[], stream_tests[], queue_tests[], server_tests[], misuse_tests[],
    tls_tests[], thread_tests[], process_tests[], proxy_tests[];

void fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));
void skip(const char *why) __attribute__((noreturn));

#define CHECK(condition) \
    do { \
        if (!(condition)) fail(__FILE__, __LINE__, "%s", #condition); \
    } while (0)

#define SAME(expected, actual) \
    do { \
        long long expected_ = (long long)(expected), actual_ = (long long)(actual); \
        if (expected_ != actual_) \
            fail(__FILE__, __LINE__, "%s: expected %lld, got %lld", #actual, expected_, actual_); \
    } while (0)

#define GIVES(expected, call) \
    do { \
        int expected_ = (expected), actual_ = (int)(call); \
        if (expected_ != actual_) \
            fail(__FILE__, __LINE__, "%s: expected %s, got %s: %s", #call, viaduct_result_name(expected_), \
                 viaduct_result_name(actual_), viaduct_error_message()); \
    } while (0)

#define OK(call) GIVES(VIADUCT_RESULT_OK, call)

#define TEXT(expected, actual) same_text(__FILE__, __LINE__, (expected), (actual))
#define SAYS(part) has_text(__FILE__, __LINE__, (part), viaduct_error_message())
#define BYTES(expected, actual) same_bytes(__FILE__, __LINE__, (expected), (actual).data, (actual).length)

void same_text(const char *file, int line, const char *expected, const char *actual);
void has_text(const char *file, int line, const char *part, const char *actual);
void same_bytes(const char *file, int line, const char *expected, const unsigned char *data, size_t length);

#endif
