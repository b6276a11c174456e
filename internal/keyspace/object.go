package keyspace

import "unsafe"

// Hash, List, Set, ZSet and Stream are views of an entry: a *Hash is the *Entry
// whose payload is that hash. So a small collection costs no head of its own. Once
// the entry's payload has another type, methods of the old view panic.
type (
	// Hash is a map from fields to values. Make one with NewHash.
	Hash struct{ e Entry }
	// Set is a set of members. Make one with NewSet.
	Set struct{ e Entry }
	// ZSet maps members to scores and orders them by score, then member. Make one
	// with NewZSet.
	ZSet struct{ e Entry }
	// List is a sequence of values, each with a position. Make one with NewList.
	List struct{ e Entry }
	// Stream is a log of entries ordered by id. Make one with NewStream.
	Stream struct{ e Entry }
)

// Object is a collection that can be an entry's payload.
type Object interface {
	entry() *Entry
	// Bytes estimates the memory of the collection alone, in constant time.
	Bytes() int64
	// Len returns the number of elements.
	Len() int
}

func (h *Hash) entry() *Entry   { return &h.e }
func (s *Set) entry() *Entry    { return &s.e }
func (z *ZSet) entry() *Entry   { return &z.e }
func (l *List) entry() *Entry   { return &l.e }
func (s *Stream) entry() *Entry { return &s.e }

// NewHash returns an empty hash that is in no entry yet; see Entry.SetObject.
func NewHash() *Hash { return &Hash{Entry{form: formHashPacked}} }

// NewSet returns an empty set that is in no entry yet.
func NewSet() *Set { return &Set{Entry{form: formSetInts}} }

// NewZSet returns an empty sorted set that is in no entry yet.
func NewZSet() *ZSet { return &ZSet{Entry{form: formZSetPacked}} }

// SetObject moves the contents of o into e. Afterwards o is empty, has no type and
// must not be used: go on with e.Hash() and its like.
func (e *Entry) SetObject(o Object) {
	from := o.entry()
	if from == e {
		return
	}
	e.ptr, e.num, e.form = from.ptr, from.num, from.form
	from.Clear()
}

// SetNew makes the payload an empty collection of type t, which is not
// TypeString.
func (e *Entry) SetNew(t Type) {
	switch t {
	case TypeNone:
		e.Clear()
	case TypeHash:
		e.ptr, e.num, e.form = nil, 0, formHashPacked
	case TypeSet:
		e.ptr, e.num, e.form = nil, 0, formSetInts
	case TypeZSet:
		e.ptr, e.num, e.form = nil, 0, formZSetPacked
	case TypeList:
		e.SetObject(NewList())
	case TypeStream:
		e.SetObject(NewStream())
	default:
		panic("keyspace: no collection of type " + t.String())
	}
}

// Hash returns the payload, which must be a hash.
func (e *Entry) Hash() *Hash { e.want(TypeHash); return (*Hash)(unsafe.Pointer(e)) }

// Set returns the payload, which must be a set.
func (e *Entry) Set() *Set { e.want(TypeSet); return (*Set)(unsafe.Pointer(e)) }

// ZSet returns the payload, which must be a sorted set.
func (e *Entry) ZSet() *ZSet { e.want(TypeZSet); return (*ZSet)(unsafe.Pointer(e)) }

// List returns the payload, which must be a list.
func (e *Entry) List() *List { e.want(TypeList); return (*List)(unsafe.Pointer(e)) }

// Stream returns the payload, which must be a stream.
func (e *Entry) Stream() *Stream { e.want(TypeStream); return (*Stream)(unsafe.Pointer(e)) }

// Object returns the payload, or nil if it is none or a string.
func (e *Entry) Object() Object {
	switch e.Type() {
	case TypeHash:
		return e.Hash()
	case TypeSet:
		return e.Set()
	case TypeZSet:
		return e.ZSet()
	case TypeList:
		return e.List()
	case TypeStream:
		return e.Stream()
	}
	return nil
}

// Bytes estimates the memory that e takes with key, payload and its place in the
// table. It takes constant time.
func (e *Entry) Bytes() int64 {
	n := slotBytes + e.headBytes()
	switch {
	case e.form == formBytes:
		n += sizeClass(int(e.num))
	case e.form > formInt:
		n += e.Object().Bytes()
	}
	return n
}

// slotBytes is what a place in a dict takes, at its usual load.
const slotBytes = 13

// sizeClass returns what the allocator takes for n bytes, nearly.
func sizeClass(n int) int64 {
	switch {
	case n <= 32:
		return int64(n+7) &^ 7
	case n <= 256:
		return int64(n+15) &^ 15
	case n <= 512:
		return int64(n+31) &^ 31
	case n <= 32<<10:
		return int64(n) + int64(n)/16
	}
	return int64(n+8191) &^ 8191
}
