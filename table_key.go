package lull

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/mapping"
)

// keyCodec turns keys into Redis keys: a codec for each key column, in the
// pattern's order.
type keyCodec struct{ parts []fieldCodec }

// newKeyCodec matches K, or K's fields, with the key columns of t.
func newKeyCodec[K comparable](t *mapping.Table) (keyCodec, error) {
	typ := reflect.TypeFor[K]()
	if len(t.Key) == 1 && typ.Kind() != reflect.Struct {
		c, err := newFieldCodec(typ)
		if err != nil {
			return keyCodec{}, fmt.Errorf("key: %w", err)
		}
		return keyCodec{[]fieldCodec{c}}, nil
	}
	if typ.Kind() != reflect.Struct {
		return keyCodec{}, fmt.Errorf("key: %v, but the pattern %q has %d columns: use a struct with a field for each", typ, t.Spec.Key, len(t.Key))
	}
	var k keyCodec
	var errs []error
	for i := range t.Key {
		c, err := keyField(typ, t.Key[i].Name)
		errs = append(errs, err)
		k.parts = append(k.parts, c)
	}
	return k, errors.Join(errs...)
}

// keyField finds the field of a key struct for the column called name.
func keyField(typ reflect.Type, name string) (fieldCodec, error) {
	for _, f := range reflect.VisibleFields(typ) {
		if fieldName(&f) != name {
			continue
		}
		c, err := newFieldCodec(f.Type)
		if err != nil {
			return c, fmt.Errorf("key: field %s: %w", f.Name, err)
		}
		c.offset = f.Offset
		return c, nil
	}
	return fieldCodec{}, fmt.Errorf("key: %v has no field for the column %s; tag one with `lull:%q`", typ, name, name)
}

// append appends the Redis key of the key at address at.
func (k *keyCodec) append(dst []byte, t *mapping.Table, s *scratch, at unsafe.Pointer) (key []byte, err error) {
	var parts [16]string // as many as a key pattern may name
	s.text = s.text[:0]
	for i := range k.parts {
		c, from, null := &k.parts[i], len(s.text), false
		if s.text, null, err = c.append(s.text, unsafe.Add(at, c.offset)); err != nil {
			return dst, err
		}
		if null {
			return dst, fmt.Errorf("column %s is NULL", t.Key[i].Name)
		}
		parts[i] = viewOf(s.text[from:]) // of the old array, if it grows
	}
	s.tuple = change.AppendTuple(s.tuple[:0], parts[:len(k.parts)]...)
	return t.AppendKey(dst, viewOf(s.tuple)), nil
}
