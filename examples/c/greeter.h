// HelloRequest and HelloReply of ../php/greeter.proto by hand: both have one string, field 1. A program of yours
// would use protobuf-c, nanopb or upb.
#ifndef GREETER_H
#define GREETER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

// Ends the program where a call of the library fails that must not.
static inline void must(viaduct_result result, const char *what) {
    if (result != VIADUCT_RESULT_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, viaduct_result_name(result), viaduct_error_message());
        exit(1);
    }
}

// The message with `text` in it, written to `space`; as much of the text as there is room for.
static inline viaduct_bytes greeter_write(uint8_t space[256], const char *text) {
    size_t length = strlen(text), head = 2;
    if (length > 250) length = 250;
    space[0] = 1 << 3 | 2; // field 1, of the kind that has a length
    space[1] = (uint8_t)(length & 0x7f);
    if (length > 0x7f) {
        space[1] |= 0x80;
        space[head++] = 1;
    }
    memcpy(space + head, text, length);
    return (viaduct_bytes){space, length ? head + length : 0};
}

// The text in a message, as a string in `space`; empty where there is none.
static inline const char *greeter_read(char space[256], const uint8_t *data, size_t length) {
    size_t size = 0, at = 1;
    space[0] = 0;
    if (length < 2 || data[0] != (1 << 3 | 2)) return space;
    for (int shift = 0; at < length && shift < 14; shift += 7) {
        size |= (size_t)(data[at] & 0x7f) << shift;
        if (!(data[at++] & 0x80)) break;
    }
    if (size > length - at || size > 255) return space;
    memcpy(space, data + at, size);
    space[size] = 0;
    return space;
}

#endif
