package lull

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// What an entry of a stream looks like in memory, packed, and in SQL: for a generic
// stream a JSON array of names and values in turn, for a mapped one its columns.

// StreamFields are an entry's names and values in turn.
type StreamFields []byte

// Len returns the number of names and values.
func (f StreamFields) Len() (n int) {
	f.Each(func([]byte) { n++ })
	return n
}

// Each calls fn with every name and value in turn.
func (f StreamFields) Each(fn func(part []byte)) {
	for rest := []byte(f); ; {
		part, next, ok := keyspace.NextField(rest)
		if !ok {
			return
		}
		fn(part)
		rest = next
	}
}

// streamCells checks and canonicalises the fields of a new entry and returns its
// cells and its packed form, which is valid until the next entry's.
func (tx *Tx) streamCells(h *handle, fields [][]byte) ([]change.Cell, []byte, error) {
	if h.mapped() {
		return tx.mappedCells(h, fields)
	}
	packed := tx.buf[:0]
	for _, f := range fields {
		packed = keyspace.AppendField(packed, f)
	}
	tx.buf = packed
	if h.t == nil {
		return nil, packed, nil
	}
	return tx.one(childValue, value.OfString(tx.fieldsJSON(fields))), packed, nil
}

// mappedCells gives an entry's fields as columns, in the table's order.
func (tx *Tx) mappedCells(h *handle, fields [][]byte) ([]change.Cell, []byte, error) {
	var cells []change.Cell
	for i := 0; i+1 < len(fields); i += 2 {
		c, err := tx.fieldCell(h, fields[i], fields[i+1])
		if err != nil {
			return nil, nil, err
		}
		if hasCell(cells, c.Col) {
			return nil, nil, fmt.Errorf("%s: field %q is given twice", h.t.Name, fields[i])
		}
		cells = append(cells, c)
	}
	if err := h.t.MissingOnCreate(func(cell int) bool { return hasCell(cells, uint16(cell)) }); err != nil {
		return nil, nil, err
	}
	cells = slices.Clone(tx.withTime(h, tx.withDefaults(h, cells)))
	slices.SortFunc(cells, func(a, b change.Cell) int { return int(a.Col) - int(b.Col) })
	packed := tx.buf[:0]
	var text [64]byte
	for _, c := range cells {
		if !c.Val.IsNull() {
			packed = keyspace.AppendField(packed, []byte(h.t.Cells[c.Col].Name))
			packed = keyspace.AppendField(packed, c.Val.AppendText(text[:0]))
		}
	}
	tx.buf = packed
	return tx.cellsOf(cells...), packed, nil
}

// packFields gives the packed form of a row of table t.
func packFields(t *mapping.Table, cells []value.Value) ([]byte, error) {
	if t.Generic() {
		return parseFieldsJSON(cells[childValue].String())
	}
	var packed []byte
	for i, v := range cells {
		if !v.IsNull() {
			packed = keyspace.AppendField(packed, []byte(column(t, i).Name))
			packed = keyspace.AppendField(packed, v.AppendText(nil))
		}
	}
	return packed, nil
}

// fieldsJSON writes fields as a JSON array. What is not UTF-8 becomes an object with
// the bytes in base64, as in ["name",{"base64":"/w=="}].
func (tx *Tx) fieldsJSON(fields [][]byte) string {
	size := 2
	for _, f := range fields {
		size += len(f) + 3
	}
	dst := append(tx.textRoom(size), '[')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, f)
	}
	return tx.kept(append(dst, ']'))
}

// binaryField is a field that JSON cannot hold as a string.
type binaryField struct {
	Base64 []byte `json:"base64"`
}

func appendJSON(dst, f []byte) []byte {
	if !utf8.Valid(f) {
		text, _ := json.Marshal(binaryField{f}) // bytes never fail
		return append(dst, text...)
	}
	dst = append(dst, '"')
	plain := 0 // from here on
	for i, c := range f {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, f[plain:i]...)
		plain = i + 1
		if c >= 0x20 {
			dst = append(dst, '\\', c)
			continue
		}
		dst = append(dst, `\u00`...)
		dst = append(dst, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
	}
	return append(append(dst, f[plain:]...), '"')
}

// parseFieldsJSON packs what fieldsJSON wrote.
func parseFieldsJSON(text string) ([]byte, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return nil, fmt.Errorf("lull_streams: fields: %w", err)
	}
	var packed []byte
	for _, p := range parts {
		if len(p) > 0 && p[0] == '{' {
			var b binaryField
			if err := json.Unmarshal(p, &b); err != nil {
				return nil, fmt.Errorf("lull_streams: fields: %w", err)
			}
			packed = keyspace.AppendField(packed, b.Base64)
			continue
		}
		var s string
		if err := json.Unmarshal(p, &s); err != nil {
			return nil, fmt.Errorf("lull_streams: fields: %w", err)
		}
		packed = keyspace.AppendField(packed, []byte(s))
	}
	return packed, nil
}

// metaMax is the longest text of a stream's header.
const metaMax = 160

// appendMeta appends the JSON text of a stream's header, as parseStreamMeta reads it.
func appendMeta(dst []byte, s *keyspace.Stream) []byte {
	m := s.Meta()
	dst = m.LastID.AppendText(append(dst, `{"last":"`...))
	dst = strconv.AppendInt(append(dst, `","length":`...), streamLen(s), 10)
	dst = strconv.AppendUint(append(dst, `,"added":`...), m.EntriesAdded, 10)
	if !m.MaxDeletedID.IsZero() {
		dst = m.MaxDeletedID.AppendText(append(dst, `,"max_deleted":"`...))
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// streamLen is the number of entries, those not in memory included.
func streamLen(s *keyspace.Stream) int64 {
	if m := s.Meta(); m.Tail {
		return m.Total
	}
	return int64(s.Len())
}
