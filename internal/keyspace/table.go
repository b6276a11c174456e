package keyspace

import (
	"unsafe"

	"github.com/lullcache/lull/internal/keyhash"
)

// Hash64 returns the hash of key under which it is found in a Table. It differs
// from process to process. Tables use the high bits: choose shards by the low ones.
func Hash64(key []byte) uint64 { return keyhash.Bytes(key) }

// HashString is Hash64 for a string.
func HashString(key string) uint64 { return keyhash.String(key) }

// CursorBits is the number of bits that a cursor of Scan takes.
const CursorBits = 40

// Table is a shard's hash table of entries. The zero Table is empty and ready. It
// grows by splitting segments of about a thousand places, so that no insert takes
// longer than a few ten microseconds however many entries there are.
type Table struct {
	d dict[*Entry]
}

func (e *Entry) hash() uint64 { return HashString(e.Key()) }
func (e *Entry) name() string { return e.Key() }

// Find returns the entry with this key, or nil. It allocates nothing.
func (t *Table) Find(hash uint64, key []byte) *Entry {
	return t.d.find(hash, view(key))
}

// FindString is Find for a string.
func (t *Table) FindString(hash uint64, key string) *Entry { return t.d.find(hash, key) }

// Insert adds e, whose key must not be in the table.
func (t *Table) Insert(hash uint64, e *Entry) { t.d.insert(hash, e) }

// Remove takes e out. It reports whether e was there.
func (t *Table) Remove(hash uint64, e *Entry) bool {
	return t.d.remove(hash, e)
}

// Len returns the number of entries.
func (t *Table) Len() int { return t.d.n }

// Scan calls fn for about count entries, beginning at cursor (0 at first), and
// returns where to go on: 0 when everything was seen. Whatever stays in the table
// from the call with 0 to the return of 0 is passed to fn at least once, also if
// the table grows or shrinks between calls; few entries are passed twice. fn must
// not change the table. Cursors are below 1<<CursorBits.
func (t *Table) Scan(cursor uint64, count int, fn func(*Entry)) (next uint64) {
	return t.d.scan(cursor, count, fn)
}

// Random returns an entry chosen by the random number r, each equally likely as
// far as r is random; nil if the table is empty.
func (t *Table) Random(r uint64) *Entry { return t.d.random(r) }

// All calls fn for every entry until it returns false. fn must not change the
// table.
func (t *Table) All(fn func(*Entry) bool) { t.d.all(fn) }

// Bytes returns the memory of the table itself, without its entries.
func (t *Table) Bytes() int64 { return t.d.bytes }

// view returns b's bytes as a string that is valid while b does not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
