package mapping

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// ErrNotCanonical says that a key or member is another spelling of its column's
// value (`042` for 42). A write refuses it, a read finds nothing.
var ErrNotCanonical = errors.New("not the canonical form")

// None is the index of a column that a table does not have.
const None = -1

// Table is one mapping, or one of the generic tables. It is immutable.
type Table struct {
	ID   uint16 // number in the dictionary
	Name string // the mapping's name, or the generic table's
	Kind Kind
	Spec Spec
	SQL  *sink.Table
	Def  change.TableDef

	// Key are the columns of the key tuple, in the pattern's order. Row are those
	// that tell the rows of a key apart: a member, a list position, a stream's id.
	Key, Row []Column
	// Cells are the columns that Lull writes, in the order of Def.Columns.
	Cells []Column
	// Indexes into Cells, or None.
	Value, Score, UpdatedAt, Expires int
	// ReadOnly are fields that the database makes: shown, never written.
	ReadOnly []Column
	// Reload is true if a row may come out of the database other than it was
	// written (made columns, triggers, defaults that Lull cannot write), so that an
	// entry has to be loaded again after its flush.
	Reload bool
	// MaxAge is how old a clean entry may get; 0: any age.
	MaxAge time.Duration
	// Parents are the mapped tables that this one references, Children those with
	// `cascade: forget` whose entries go when a row of this one is deleted. Order
	// rises from parents to children.
	Parents, Children []*Table
	Order             int

	pattern  *pattern // nil for generic tables
	fields   map[string]int
	required []int    // cells that a new row cannot do without
	unfilled []string // columns that a new row needs and the mapping does not have
	defaults []change.Cell
}

// Generic reports whether t is one of Lull's own tables for unmapped keys.
func (t *Table) Generic() bool { return t.pattern == nil }

// Tuple returns the tuple of the key columns in key, which must match the table's
// pattern. The error is a *ValueError if the key cannot be in the column, and wraps
// ErrNotCanonical if it is spelled in another way.
func (t *Table) Tuple(key []byte) (string, error) { return t.TupleString(string(key)) }

// TupleString is Tuple for an immutable key. With one key column the tuple shares
// the key's bytes and nothing is allocated.
func (t *Table) TupleString(key string) (string, error) {
	if t.Generic() {
		return key, nil
	}
	var at spans
	if !t.pattern.match(key, &at) {
		return "", fmt.Errorf("%s: key %s does not match %q", t.Name, shorten(key), t.Spec.Key)
	}
	for i := range t.Key {
		if err := t.Key[i].canonical(key[at[i].from:at[i].to]); err != nil {
			return "", err
		}
	}
	return t.tupleAt(key, &at), nil
}

// TupleOfKnown is TupleString for a key that CheckKey has found well. It looks at nothing again.
func (t *Table) TupleOfKnown(key string) string {
	if t.Generic() {
		return key
	}
	tuple, _ := t.guessTuple(key)
	return tuple
}

// GuessTuple is TupleOfKnown for bytes that may be another key than one of the table's, which is a
// mapped one; ok is false if they cannot be one. The tuple is valid while key does not change.
func (t *Table) GuessTuple(key []byte) (tuple string, ok bool) { return t.guessTuple(view(key)) }

func (t *Table) guessTuple(key string) (tuple string, ok bool) {
	if len(t.Key) == 1 {
		from, to := len(t.pattern.literal), len(key)-t.pattern.tail
		if from > to {
			return "", false
		}
		return key[from:to], true
	}
	var at spans
	if !t.pattern.match(key, &at) {
		return "", false
	}
	return t.tupleAt(key, &at), true
}

func (t *Table) tupleAt(key string, at *spans) string {
	if len(t.Key) == 1 {
		return key[at[0].from:at[0].to]
	}
	var parts [keyColumnsMax]string
	for i := range t.Key {
		parts[i] = key[at[i].from:at[i].to]
	}
	return joinTuple(parts[:len(t.Key)]...)
}

// AppendKey appends the Redis key that has this tuple.
func (t *Table) AppendKey(dst []byte, tuple string) []byte {
	if t.Generic() {
		return append(dst, tuple...)
	}
	var room [keyColumnsMax]string
	return t.pattern.appendKey(dst, split(room[:0], tuple, len(t.Key)))
}

// KeyOf returns the Redis key, and its tuple, of a row whose key columns a sink
// returned. ok is false for a row that no key can name: a text that is empty, or
// holds a colon where the pattern allows none, or NULL.
func (t *Table) KeyOf(vals []value.Value) (key, tuple string, ok bool) {
	tuple, ok = tupleOf(t.Key, vals)
	if !ok || t.Generic() {
		return tuple, tuple, ok
	}
	key = string(t.AppendKey(nil, tuple))
	again, err := t.TupleString(key)
	return key, tuple, err == nil && again == tuple
}

// TupleOf returns the tuple of a row whose key columns a sink returned. ok is false if
// one of them is NULL. Whether a key can name the row, KeyOf says.
func (t *Table) TupleOf(vals []value.Value) (tuple string, ok bool) { return tupleOf(t.Key, vals) }

// AppendTupleOf is TupleOf that appends to dst.
func (t *Table) AppendTupleOf(dst []byte, vals []value.Value) ([]byte, bool) {
	if len(t.Key) != 1 {
		tuple, ok := tupleOf(t.Key, vals)
		return append(dst, tuple...), ok
	}
	if vals[0].IsNull() {
		return dst, false
	}
	v, _ := t.Key[0].CanonLoaded(vals[0])
	return v.AppendText(dst), true
}

// RowOf returns the row tuple of a row whose row columns a sink returned. ok is
// false if one of them is NULL.
func (t *Table) RowOf(vals []value.Value) (row string, ok bool) { return tupleOf(t.Row, vals) }

func tupleOf(columns []Column, vals []value.Value) (string, bool) {
	var parts [keyColumnsMax]string
	for i := range columns {
		if vals[i].IsNull() {
			return "", false
		}
		v, _ := columns[i].CanonLoaded(vals[i]) // what cannot be canonical stands as it is
		parts[i] = v.String()
	}
	if len(columns) == 1 {
		return parts[0], true
	}
	return joinTuple(parts[:len(columns)]...), true
}

// joinTuple is change.AppendTuple with one allocation for most.
func joinTuple(parts ...string) string {
	var room [128]byte
	return string(change.AppendTuple(room[:0], parts...))
}

// Member returns the row tuple of a set's or sorted set's member, or the position
// in a list; errors are those of Tuple.
func (t *Table) Member(member []byte) (string, error) {
	s := string(member)
	return s, t.Row[0].canonical(s)
}

// Field returns the cell that a hash or stream field is. Cells that Lull fills
// itself (Column.Managed) are found too: a client cannot write them.
func (t *Table) Field(name []byte) (cell int, ok bool) {
	cell, ok = t.fields[string(name)]
	return cell, ok
}

// FieldNames returns the fields that clients may write.
func (t *Table) FieldNames() []string {
	var names []string
	for i := range t.Cells {
		if !t.Cells[i].Managed {
			names = append(names, t.Cells[i].Name)
		}
	}
	return names
}

// UnknownField returns the error for a field that clients cannot write: it lists
// those that they can.
func (t *Table) UnknownField(name []byte) error {
	s := string(name)
	made := slices.ContainsFunc(t.ReadOnly, func(c Column) bool { return c.Name == s })
	if cell, ok := t.fields[s]; made || ok && t.Cells[cell].Managed {
		return fmt.Errorf("%s: field %s is read-only; fields are %s", t.Name, shorten(s), strings.Join(t.FieldNames(), ", "))
	}
	return fmt.Errorf("%s: no field %s; fields are %s", t.Name, shorten(s), strings.Join(t.FieldNames(), ", "))
}

// MissingOnCreate returns an error that names the columns a new row needs and would
// lack. set tells which cells it has; constant defaults count as had.
func (t *Table) MissingOnCreate(set func(cell int) bool) error {
	missing := t.unfilled
	for _, cell := range t.required {
		if !set(cell) {
			missing = append(missing[:len(missing):len(missing)], t.Cells[cell].Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s: a new row needs %s, which may not be NULL and has no default", t.Name, strings.Join(missing, ", "))
}

// Defaults returns the constant column defaults that Lull writes when it creates a
// row and the cell is not set otherwise. The caller must not change the slice.
func (t *Table) Defaults() []change.Cell { return t.defaults }

// StreamID is how two bigint columns hold an entry's id; see StreamRow.
const streamIDColumns = 2

// StreamRow returns the row tuple of the entry ms-seq of a stream with id columns.
// A bigint column ends at 2^63-1. Without id columns the tuple is the id's text: it
// tells entries apart, and is in no column.
func (t *Table) StreamRow(ms, seq uint64) (string, error) {
	var room [48]byte
	row, err := t.AppendStreamRow(room[:0], ms, seq)
	return string(row), err
}

// AppendStreamRow is StreamRow that appends to dst.
func (t *Table) AppendStreamRow(dst []byte, ms, seq uint64) ([]byte, error) {
	if len(t.Row) != streamIDColumns {
		dst = strconv.AppendUint(dst, ms, 10)
		return strconv.AppendUint(append(dst, '-'), seq, 10), nil
	}
	if ms > math.MaxInt64 || seq > math.MaxInt64 {
		return nil, fmt.Errorf("%s: id %d-%d is above what %s and %s hold", t.Name, ms, seq, t.Row[0].Column.Name, t.Row[1].Column.Name)
	}
	for _, n := range [streamIDColumns]uint64{ms, seq} { // as change.AppendTuple
		at := len(dst)
		dst = strconv.AppendUint(append(dst, 0), n, 10)
		dst[at] = byte(len(dst) - at - 1)
	}
	return dst, nil
}

// ParseStreamRow is the inverse of StreamRow.
func (t *Table) ParseStreamRow(row string) (ms, seq uint64, ok bool) {
	a, b, ok := strings.Cut(row, "-")
	if len(t.Row) == streamIDColumns {
		var parts []string
		if parts, ok = change.SplitTuple(nil, row, streamIDColumns); ok {
			a, b = parts[0], parts[1]
		}
	}
	ms, okMS := parseUnsigned(a)
	seq, okSeq := parseUnsigned(b)
	return ms, seq, ok && okMS && okSeq
}

// Ordered reports whether the database sorts a stream's rows as their ids: true
// for two bigint columns. Text ids sort as text there, "10-1" before "9-1".
func (t *Table) Ordered() bool { return len(t.Row) == streamIDColumns }

// split appends the n parts of a tuple that this package made.
func split(dst []string, tuple string, n int) []string {
	parts, ok := change.SplitTuple(dst, tuple, n)
	if !ok {
		panic(fmt.Sprintf("mapping: %q is not a tuple of %d", tuple, n))
	}
	return parts
}

// view returns b as a string that shares its bytes: only for as long as b lives
// unchanged, so it may never be kept.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
