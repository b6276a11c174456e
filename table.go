package lull

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

// Table is a typed view of a mapped hash table: values of V are its rows, values of
// K their keys. It may be used by many goroutines at once.
//
// V is a struct. A field belongs to the Redis field named by its `lull` tag, or else
// by its name in snake case (LastSeen is last_seen); `lull:"-"` leaves it out. K is a
// string, an integer, or, for a composite key, a struct with a field for each name in
// the key pattern. Fields may be strings, byte slices, booleans, integers, floats,
// time.Time, pointers to these (nil is NULL), and types that marshal to text.
type Table[K comparable, V any] struct {
	db   *DB
	t    *mapping.Table
	keys keyCodec
	row  rowCodec
	runs tableRuns[K, V]
	pool sync.Pool // of *tableCall[K, V]
}

// tableCall is one operation under way: a session and its scratch memory.
type tableCall[K comparable, V any] struct {
	sess  *Session
	id    K
	key   []byte
	keys  [1][]byte
	text  scratch
	cells []change.Cell
	old   rowText
	run   tableRun[K, V]
	fn    func(v *V) error
	value V
	found bool
}

// tableRun is what an operation does under its key's lock.
type tableRun[K comparable, V any] func(tx *Tx, c *tableCall[K, V]) error

// tableRuns are the operations of a table. They are made once: each would be an allocation.
type tableRuns[K comparable, V any] struct{ get, put, update, delete tableRun[K, V] }

// Run makes a tableCall a Runner.
func (c *tableCall[K, V]) Run(tx *Tx) error { return c.run(tx, c) }

// NewTable returns the typed view of the mapped table called name. It fails, naming
// all of them, if a field of V has no column, or K does not fit the key pattern.
func NewTable[K comparable, V any](db *DB, name string) (*Table[K, V], error) {
	t := db.maps.ByName(name)
	if t == nil {
		return nil, fmt.Errorf("table %q: is not mapped", name)
	}
	if t.Kind != mapping.Hash {
		return nil, fmt.Errorf("table %q: maps keys of type %v, wanted hash", name, t.Kind)
	}
	keys, keyErr := newKeyCodec[K](t)
	row, rowErr := newRowCodec[V](t)
	if err := errors.Join(keyErr, rowErr); err != nil {
		return nil, fmt.Errorf("table %q: %w", name, err)
	}
	tab := &Table[K, V]{db: db, t: t, keys: keys, row: row}
	tab.runs = tableRuns[K, V]{tab.get, tab.put, tab.update, tab.delete}
	tab.pool.New = func() any { return &tableCall[K, V]{sess: db.NewSession()} }
	return tab, nil
}

// Get returns the row of key. ok is false if there is none.
func (t *Table[K, V]) Get(ctx context.Context, key K) (v V, ok bool, err error) {
	c := t.call(t.runs.get)
	defer t.done(c)
	if err = t.exec(ctx, c, key, false); err != nil {
		return v, false, err
	}
	return c.value, c.found, nil
}

func (t *Table[K, V]) get(tx *Tx, c *tableCall[K, V]) error {
	h, err := tx.open(c.key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return err
	}
	if c.found = h.exists(); !c.found {
		return nil
	}
	return t.row.read(unsafe.Pointer(&c.value), h.e.Hash())
}

// Put makes v the row of key: every column that V has gets its value, others keep
// theirs. It returns when the table's ack level is reached.
func (t *Table[K, V]) Put(ctx context.Context, key K, v V) error {
	c := t.call(t.runs.put)
	defer t.done(c)
	c.value = v
	return t.exec(ctx, c, key, true)
}

func (t *Table[K, V]) put(tx *Tx, c *tableCall[K, V]) error {
	h, err := tx.open(c.key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return err
	}
	if c.cells, err = t.row.cells(c.cells[:0], t.t, &c.text, nil, unsafe.Pointer(&c.value)); err != nil {
		return err
	}
	_, err = tx.putFields(&h, c.cells)
	return err
}

// Update runs fn on the row of key, or on a zero V if there is none, and writes the
// columns that fn changed; for a new row all of them. If fn returns an error nothing
// is written and the error comes back. fn runs under the key's lock, maybe more than
// once: it must be quick, and touch nothing but its argument.
func (t *Table[K, V]) Update(ctx context.Context, key K, fn func(v *V) error) error {
	c := t.call(t.runs.update)
	defer t.done(c)
	c.fn = fn
	return t.exec(ctx, c, key, true)
}

func (t *Table[K, V]) update(tx *Tx, c *tableCall[K, V]) error {
	h, err := tx.open(c.key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return err
	}
	var zero V
	var old *rowText // of a new row all is new
	c.value = zero
	if h.exists() {
		if err := t.row.read(unsafe.Pointer(&c.value), h.e.Hash()); err != nil {
			return err
		}
		if old = &c.old; t.row.remember(old, unsafe.Pointer(&c.value)) != nil {
			old = nil // what cannot be written cannot be told from what is new
		}
	}
	if err := c.fn(&c.value); err != nil {
		return err
	}
	if c.cells, err = t.row.cells(c.cells[:0], t.t, &c.text, old, unsafe.Pointer(&c.value)); err != nil {
		return err
	}
	if old != nil && len(c.cells) == 0 {
		return nil
	}
	_, err = tx.putFields(&h, c.cells)
	return err
}

// Delete removes the row of key and reports whether there was one.
func (t *Table[K, V]) Delete(ctx context.Context, key K) (bool, error) {
	c := t.call(t.runs.delete)
	defer t.done(c)
	err := t.exec(ctx, c, key, true)
	return c.found, err
}

func (t *Table[K, V]) delete(tx *Tx, c *tableCall[K, V]) error {
	h, err := tx.open(c.key, keyspace.TypeHash, NeedExists)
	if err != nil {
		return err
	}
	if c.found = h.exists(); c.found {
		tx.remove(&h)
	}
	return nil
}

func (t *Table[K, V]) call(run tableRun[K, V]) *tableCall[K, V] {
	c := t.pool.Get().(*tableCall[K, V])
	c.run = run
	return c
}

// done gives a call's memory back, without what it refers to.
func (t *Table[K, V]) done(c *tableCall[K, V]) {
	var none K
	var zero V
	c.id, c.value, c.fn, c.run, c.found = none, zero, nil, nil, false
	clear(c.cells[:cap(c.cells)])
	t.pool.Put(c)
}

// exec runs the call on key and waits for its ack level.
func (t *Table[K, V]) exec(ctx context.Context, c *tableCall[K, V], key K, write bool) (err error) {
	c.id = key
	if c.key, err = t.keys.append(c.key[:0], t.t, &c.text, unsafe.Pointer(&c.id)); err != nil {
		return fmt.Errorf("table %s: key: %w", t.t.Name, err)
	}
	c.keys[0] = c.key
	ticket, err := c.sess.Exec(ctx, c.keys[:], write, c)
	if err != nil {
		return err
	}
	return c.sess.Wait(ctx, ticket)
}
