// Package resp reads requests and writes replies of the Redis protocol, versions 2
// and 3, and the inline commands that people type.
//
// The Reader is a parser that can stop after any byte and go on when more have
// come. It allocates nothing from a length that a client merely announced: its
// buffer grows with the bytes that arrive. Arguments are slices of that buffer,
// valid until the next Fill, so that a pipeline is parsed without a copy.
//
// The Writer appends replies to one buffer, in the version that the client chose.
// What a RESP2 client cannot read is written as Redis does for it: a map as an
// array, a double as a bulk string.
//
// The protocol is https://redis.io/docs/latest/develop/reference/protocol-spec/;
// the texts of errors and what is accepted beyond it are those of Redis 7.0.
package resp
