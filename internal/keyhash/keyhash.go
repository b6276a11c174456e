//go:build !sim

// Package keyhash hashes the names of keys, once for all tables in which a unit finds one.
package keyhash

import "hash/maphash"

var seed = maphash.MakeSeed()

// Bytes returns the hash of a name. It differs from process to process.
func Bytes(name []byte) uint64 { return maphash.Bytes(seed, name) }

// String is Bytes for a string.
func String(name string) uint64 { return maphash.String(seed, name) }
