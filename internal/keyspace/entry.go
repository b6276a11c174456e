// Package keyspace holds what readers see: a hash table of entries and Redis's
// data types. Everything here is single-threaded; the lock of the shard that owns
// a Table guards it and all that it holds. The package knows neither log nor SQL
// nor protocol.
//
// Memory is the design goal. An Entry is one allocation, of 64 bytes if its key has
// no more than 23, with the key in it. It also serves as the head of a small
// collection: a *Hash is the entry itself, seen as a hash. Small collections are one packed buffer; large ones keep one pointer for
// each element.
//
// Bytes that methods return ([]byte) are views: they are valid until the object is
// next changed and must not be written to. Bytes passed in are copied, except the
// string given to SetString, which is shared; they must not be views of the very
// object that is changed.
package keyspace

import (
	"strconv"
	"unsafe"

	"github.com/lullcache/lull/value"
)

// Type is the Redis type of a payload.
type Type uint8

// The types. TypeNone is an entry without payload: a key known to be absent, or
// a stub.
const (
	TypeNone Type = iota
	TypeString
	TypeList
	TypeSet
	TypeZSet
	TypeHash
	TypeStream
)

// String returns what Redis's TYPE command answers.
func (t Type) String() string {
	return [...]string{"none", "string", "list", "set", "zset", "hash", "stream"}[t]
}

// Flags are states of an entry that the engine keeps. The bits from NoLoad<<1 on
// are free for the engine.
type Flags uint8

// The flags that are known here.
const (
	// Absent: the key is known not to exist; the entry remembers just that.
	Absent Flags = 1 << iota
	// Stub: the payload is not complete, and reads must load it first.
	Stub
	// NoLoad: there is nothing in SQL to load under this key.
	NoLoad
)

// Entry is a key with its payload. The engine owns the exported fields, the
// methods own the payload. The zero Entry has no payload, and the empty key. An
// entry must not be copied: what is behind it would stay.
type Entry struct {
	ptr unsafe.Pointer // bytes, packed buffer or object, as form says
	num uint64         // an integer, a length, or a packed buffer's counts

	ExpireAt int64  // milliseconds since 1970; 0 is never
	Cut      uint32 // last cut in which the entry was changed
	Access   uint32 // eviction clock
	LoadedAt uint32 // seconds
	Table    uint16 // number in the dictionary
	Flags    Flags
	form     form

	keyLen uint8 // or keyApart
	key    [keyRoom]byte
}

// form says how a payload is held.
type form uint8

const (
	formNone form = iota
	formBytes
	formInt
	formList
	formSetInts
	formSetPacked
	formSetBig
	formZSetPacked
	formZSetBig
	formHashPacked
	formHashBig
	formStream
)

var typeOfForm = [...]Type{
	formNone:  TypeNone,
	formBytes: TypeString, formInt: TypeString,
	formList:    TypeList,
	formSetInts: TypeSet, formSetPacked: TypeSet, formSetBig: TypeSet,
	formZSetPacked: TypeZSet, formZSetBig: TypeZSet,
	formHashPacked: TypeHash, formHashBig: TypeHash,
	formStream: TypeStream,
}

// Type returns the type of the payload.
func (e *Entry) Type() Type { return typeOfForm[e.form] }

// Clear removes the payload. The other fields stay.
func (e *Entry) Clear() { e.ptr, e.num, e.form = nil, 0, formNone }

// SetString makes the payload the string s, which is shared.
func (e *Entry) SetString(s string) {
	e.ptr, e.num, e.form = unsafe.Pointer(unsafe.StringData(s)), uint64(len(s)), formBytes
}

// SetInt makes the payload the decimal string of n, held as an integer.
func (e *Entry) SetInt(n int64) { e.ptr, e.num, e.form = nil, uint64(n), formInt }

// IsInt reports whether the payload is held as an integer.
func (e *Entry) IsInt() bool { return e.form == formInt }

// Int returns a string payload as an integer, if it is held as one or is the
// canonical text of one (see ParseInt).
func (e *Entry) Int() (int64, bool) {
	if e.form == formInt {
		return int64(e.num), true
	}
	s := e.bytes()
	return ParseInt(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// Str returns a string payload. It allocates only if the payload is held as an
// integer.
func (e *Entry) Str() string {
	if e.form == formInt {
		return strconv.FormatInt(int64(e.num), 10)
	}
	return e.bytes()
}

// AppendStr appends a string payload.
func (e *Entry) AppendStr(dst []byte) []byte {
	if e.form == formInt {
		return strconv.AppendInt(dst, int64(e.num), 10)
	}
	return append(dst, e.bytes()...)
}

// StrLen returns the length of a string payload in bytes.
func (e *Entry) StrLen() int {
	if e.form == formInt {
		var buf [20]byte
		return len(strconv.AppendInt(buf[:0], int64(e.num), 10))
	}
	return len(e.bytes())
}

// Value returns a string payload as a cell that shares its bytes.
func (e *Entry) Value() value.Value {
	if e.form == formInt {
		return value.OfInt(int64(e.num))
	}
	return value.OfString(e.bytes())
}

func (e *Entry) bytes() string {
	e.want(TypeString)
	return unsafe.String((*byte)(e.ptr), int(e.num))
}

// want panics if the payload is not of type t: the engine checks types before it
// looks at a payload.
func (e *Entry) want(t Type) {
	if typeOfForm[e.form] != t {
		panic("keyspace: payload is " + e.Type().String() + ", wanted " + t.String())
	}
}

var encodingOfForm = [...]string{
	formNone:  "none",
	formBytes: "raw", formInt: "int",
	formList:    "quicklist",
	formSetInts: "intset", formSetPacked: "listpack", formSetBig: "hashtable",
	formZSetPacked: "listpack", formZSetBig: "skiplist",
	formHashPacked: "listpack", formHashBig: "hashtable",
	formStream: "stream",
}

// embeddedMax is the longest string that Redis calls "embstr".
const embeddedMax = 44

// Encoding says how the payload is held, under the name that Redis has for what is
// most like it.
func (e *Entry) Encoding() string {
	if e.form == formBytes && e.num <= embeddedMax {
		return "embstr"
	}
	return encodingOfForm[e.form]
}
