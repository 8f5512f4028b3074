// The few fields of grpc.testing's messages that the interop cases need, by hand.
#ifndef PROTO_H
#define PROTO_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viaduct.h"

#define SERVICE "/grpc.testing.TestService/"

// A message that grows.
typedef struct message {
    uint8_t *data;
    size_t length, room;
} message;

static inline void put(message *message, const void *bytes, size_t length) {
    if (message->length + length > message->room) {
        message->room = (message->length + length) * 2 + 64;
        message->data = realloc(message->data, message->room);
        if (!message->data) abort();
    }
    if (length) memcpy(message->data + message->length, bytes, length);
    message->length += length;
}

static inline void put_varint(message *message, uint64_t value) {
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(message, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void put_number(message *message, unsigned field, uint64_t value) {
    put_varint(message, field << 3);
    put_varint(message, value);
}

static inline void put_bytes(message *message, unsigned field, const void *bytes, size_t length) {
    put_varint(message, field << 3 | 2);
    put_varint(message, length);
    put(message, bytes, length);
}

// Puts one message into another, and frees it.
static inline void put_message(message *message, unsigned field, struct message inner) {
    put_bytes(message, field, inner.data, inner.length);
    free(inner.data);
}

// Payload: field 2 is the body, zeros here.
static inline void put_payload(message *into, unsigned field, size_t size) {
    message payload = {0};
    uint8_t *zeros = calloc(1, size + 1);
    if (!zeros) abort();
    put_bytes(&payload, 2, zeros, size);
    free(zeros);
    put_message(into, field, payload);
}

static inline viaduct_bytes bytes_of(const message *message) {
    return (viaduct_bytes){message->data, message->length};
}

// One field of a message that is read.
typedef struct field {
    unsigned number;
    uint64_t value;
    viaduct_bytes bytes;
} field;

static inline int take_varint(viaduct_bytes *from, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && from->length; shift += 7) {
        uint8_t byte = *from->data++;
        from->length--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return 1;
    }
    return 0;
}

// Takes the next field; 0 at the end, and where it is none.
static inline int take(viaduct_bytes *from, field *field) {
    uint64_t key, size;
    memset(field, 0, sizeof *field);
    if (!from->length || !take_varint(from, &key)) return 0;
    field->number = (unsigned)(key >> 3);
    if ((key & 7) == 0) return take_varint(from, &field->value);
    if ((key & 7) != 2 || !take_varint(from, &size) || size > from->length) return 0;
    field->bytes = (viaduct_bytes){from->data, (size_t)size};
    from->data += size;
    from->length -= (size_t)size;
    return 1;
}

// The first field of that number; zeros where there is none.
static inline field find(viaduct_bytes from, unsigned number) {
    field field;
    while (take(&from, &field))
        if (field.number == number) return field;
    memset(&field, 0, sizeof field);
    return field;
}

// The whole content of a file, as a string.
static inline char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *content = calloc(1, 1 << 16);
    if (!file || !content || fread(content, 1, (1 << 16) - 1, file) == 0) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    fclose(file);
    return content;
}

#endif
