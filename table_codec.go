package lull

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

// fieldCodec turns one field of a struct into text and back. at is the field's
// address.
type fieldCodec struct {
	offset uintptr
	name   []byte // the Redis field
	cell   int    // of the table, or -1 for a column that the database makes
	append func(dst []byte, at unsafe.Pointer) (text []byte, null bool, err error)
	parse  func(text []byte, null bool, at unsafe.Pointer) error
}

// scratch is memory for texts on their way.
type scratch struct{ text, tuple []byte }

// viewOf is b as a string, for as long as b does not change.
func viewOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// rowCodec turns structs into cells and back.
type rowCodec struct{ fields []fieldCodec }

// newRowCodec matches the fields of V with the columns of t.
func newRowCodec[V any](t *mapping.Table) (rowCodec, error) {
	typ := reflect.TypeFor[V]()
	if typ.Kind() != reflect.Struct {
		return rowCodec{}, fmt.Errorf("%v is no struct", typ)
	}
	var r rowCodec
	var errs []error
	for _, f := range reflect.VisibleFields(typ) {
		name := fieldName(&f)
		if name == "" {
			continue
		}
		c, err := newFieldCodec(f.Type)
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", f.Name, err))
			continue
		}
		c.name, c.offset, c.cell = []byte(name), f.Offset, -1
		if cell, ok := t.Field(c.name); ok {
			if !t.Cells[cell].Managed {
				c.cell = cell
			}
		} else if !isReadOnly(t, name) {
			errs = append(errs, fmt.Errorf("field %s: %w", f.Name, t.UnknownField(c.name)))
		}
		r.fields = append(r.fields, c)
	}
	return r, errors.Join(errs...)
}

func isReadOnly(t *mapping.Table, name string) bool {
	for i := range t.ReadOnly {
		if t.ReadOnly[i].Name == name {
			return true
		}
	}
	return false
}

// fieldName is the Redis field of a struct field, "" if it takes no part. Fields of
// embedded structs are reached through their own names.
func fieldName(f *reflect.StructField) string {
	tag := f.Tag.Get("lull")
	if !f.IsExported() || tag == "-" || len(f.Index) > 1 {
		return ""
	}
	if tag != "" {
		return tag
	}
	return snake(f.Name)
}

// snake turns LastSeen into last_seen and UserID into user_id.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		starts := i > 0 && unicode.IsUpper(r) &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if starts {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// rowText is the text of a row's fields that clients write, one behind the other.
type rowText struct {
	text []byte
	ends []textEnd
}

type textEnd struct {
	at   int
	null bool
}

// remember makes o the text of the struct at row.
func (r *rowCodec) remember(o *rowText, row unsafe.Pointer) (err error) {
	o.text, o.ends = o.text[:0], o.ends[:0]
	for i := range r.fields {
		f, end := &r.fields[i], textEnd{}
		if f.cell >= 0 {
			if o.text, end.null, err = f.append(o.text, unsafe.Add(row, f.offset)); err != nil {
				return err
			}
		}
		end.at = len(o.text)
		o.ends = append(o.ends, end)
	}
	return nil
}

// has reports whether the text of field i is this.
func (o *rowText) has(i int, text []byte, null bool) bool {
	from := 0
	if i > 0 {
		from = o.ends[i-1].at
	}
	return o.ends[i].null == null && (null || bytes.Equal(o.text[from:o.ends[i].at], text))
}

// cells appends the cells that clients write of the struct at row, canonical; only those
// whose text is not that of old, if old is not nil.
func (r *rowCodec) cells(dst []change.Cell, t *mapping.Table, s *scratch, old *rowText, row unsafe.Pointer) ([]change.Cell, error) {
	for i := range r.fields {
		f := &r.fields[i]
		if f.cell < 0 {
			continue
		}
		text, null, err := f.append(s.text[:0], unsafe.Add(row, f.offset))
		s.text = text
		if err != nil {
			return dst, fmt.Errorf("field %s: %w", f.name, err)
		}
		if old != nil && old.has(i, text, null) {
			continue
		}
		c := change.Cell{Col: uint16(f.cell)}
		if !null {
			if c.Val, err = t.Cells[f.cell].Canon(text); err != nil {
				return dst, err
			}
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// read fills the struct at row from a hash. A field without a value is NULL.
func (r *rowCodec) read(row unsafe.Pointer, h *keyspace.Hash) error {
	for i := range r.fields {
		f := &r.fields[i]
		text, ok := h.Get(f.name)
		if err := f.parse(text, !ok, unsafe.Add(row, f.offset)); err != nil {
			return fmt.Errorf("field %s: %q: %w", f.name, text, err)
		}
	}
	return nil
}

// newFieldCodec returns what turns a value of typ into text and back.
func newFieldCodec(typ reflect.Type) (fieldCodec, error) {
	if typ.Kind() == reflect.Pointer {
		return pointerCodec(typ.Elem())
	}
	switch typ {
	case reflect.TypeFor[time.Time]():
		return timeCodec(), nil
	case reflect.TypeFor[[]byte]():
		return bytesCodec(), nil
	}
	if reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) && typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return textCodec(typ), nil
	}
	return kindCodec(typ)
}

// kindCodec is for the plain kinds. NULL reads as their zero.
func kindCodec(typ reflect.Type) (c fieldCodec, err error) {
	switch typ.Kind() {
	case reflect.String:
		return plain(
			func(dst []byte, at *string) []byte { return append(dst, *at...) },
			func(s string) (string, error) { return strings.Clone(s), nil }), nil
	case reflect.Bool:
		return plain(
			func(dst []byte, at *bool) []byte {
				if *at {
					return append(dst, '1')
				}
				return append(dst, '0')
			},
			func(s string) (bool, error) { return s == "1", nil }), nil
	case reflect.Int:
		return signed[int](), nil
	case reflect.Int8:
		return signed[int8](), nil
	case reflect.Int16:
		return signed[int16](), nil
	case reflect.Int32:
		return signed[int32](), nil
	case reflect.Int64:
		return signed[int64](), nil
	case reflect.Uint:
		return unsigned[uint](), nil
	case reflect.Uint8:
		return unsigned[uint8](), nil
	case reflect.Uint16:
		return unsigned[uint16](), nil
	case reflect.Uint32:
		return unsigned[uint32](), nil
	case reflect.Uint64:
		return unsigned[uint64](), nil
	case reflect.Float32:
		return float[float32](32), nil
	case reflect.Float64:
		return float[float64](64), nil
	}
	return c, fmt.Errorf("type %v: wanted a string, []byte, bool, integer, float, time.Time, a pointer to one, or a type that marshals to text", typ)
}

// plain makes a codec of a function each way. parse may not keep s.
func plain[T any](format func(dst []byte, at *T) []byte, parse func(s string) (T, error)) fieldCodec {
	return fieldCodec{
		append: func(dst []byte, at unsafe.Pointer) ([]byte, bool, error) {
			return format(dst, (*T)(at)), false, nil
		},
		parse: func(text []byte, null bool, at unsafe.Pointer) (err error) {
			var v T
			if !null {
				v, err = parse(viewOf(text))
			}
			*(*T)(at) = v
			return err
		},
	}
}

func signed[T int | int8 | int16 | int32 | int64]() fieldCodec {
	return plain(
		func(dst []byte, at *T) []byte { return strconv.AppendInt(dst, int64(*at), 10) },
		func(s string) (T, error) {
			n, err := strconv.ParseInt(s, 10, int(unsafe.Sizeof(T(0)))*8)
			return T(n), err
		})
}

func unsigned[T uint | uint8 | uint16 | uint32 | uint64]() fieldCodec {
	return plain(
		func(dst []byte, at *T) []byte { return strconv.AppendUint(dst, uint64(*at), 10) },
		func(s string) (T, error) {
			n, err := strconv.ParseUint(s, 10, int(unsafe.Sizeof(T(0)))*8)
			return T(n), err
		})
}

func float[T float32 | float64](bits int) fieldCodec {
	return plain(
		func(dst []byte, at *T) []byte { return strconv.AppendFloat(dst, float64(*at), 'g', -1, bits) },
		func(s string) (T, error) {
			f, err := strconv.ParseFloat(s, bits)
			return T(f), err
		})
}

func bytesCodec() fieldCodec {
	c := plain(
		func(dst []byte, at *[]byte) []byte { return append(dst, *at...) },
		func(s string) ([]byte, error) { return []byte(s), nil })
	format := c.append
	c.append = func(dst []byte, at unsafe.Pointer) ([]byte, bool, error) {
		if *(*[]byte)(at) == nil {
			return dst, true, nil
		}
		return format(dst, at)
	}
	return c
}

// timeCodec writes times in UTC. Columns without a zone hold UTC.
func timeCodec() fieldCodec {
	return plain(
		func(dst []byte, at *time.Time) []byte {
			return at.UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999Z")
		},
		func(s string) (time.Time, error) {
			for _, layout := range []string{"2006-01-02T15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999", time.DateOnly} {
				if at, err := time.Parse(layout, s); err == nil {
					return at, nil
				}
			}
			return time.Time{}, errors.New("is no time")
		})
}

// textCodec is for types that marshal themselves.
func textCodec(typ reflect.Type) fieldCodec {
	return fieldCodec{
		append: func(dst []byte, at unsafe.Pointer) ([]byte, bool, error) {
			text, err := reflect.NewAt(typ, at).Interface().(encoding.TextMarshaler).MarshalText()
			return append(dst, text...), false, err
		},
		parse: func(text []byte, null bool, at unsafe.Pointer) error {
			v := reflect.NewAt(typ, at)
			if null {
				v.Elem().SetZero()
				return nil
			}
			return v.Interface().(encoding.TextUnmarshaler).UnmarshalText(text)
		},
	}
}

// pointerCodec is for pointers: nil is NULL.
func pointerCodec(elem reflect.Type) (fieldCodec, error) {
	c, err := newFieldCodec(elem)
	if err != nil {
		return c, err
	}
	format, parse := c.append, c.parse
	c.append = func(dst []byte, at unsafe.Pointer) ([]byte, bool, error) {
		if p := *(*unsafe.Pointer)(at); p != nil {
			return format(dst, p)
		}
		return dst, true, nil
	}
	c.parse = func(text []byte, null bool, at unsafe.Pointer) error {
		if null {
			*(*unsafe.Pointer)(at) = nil
			return nil
		}
		p := reflect.New(elem).UnsafePointer()
		*(*unsafe.Pointer)(at) = p
		return parse(text, false, p)
	}
	return c, nil
}
