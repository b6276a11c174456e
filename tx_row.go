package lull

import (
	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
)

// A mapped hash is one row of a table. These are the operations on it by cell; those
// by field name (HSET and its like) and the typed tables are written with them.

// fieldCell checks and canonicalises one field's text for a mapped hash.
func (tx *Tx) fieldCell(h *handle, field, text []byte) (change.Cell, error) {
	i, ok := h.t.Field(field)
	if !ok || h.t.Cells[i].Managed {
		return change.Cell{}, h.t.UnknownField(field)
	}
	v, err := h.t.Cells[i].Canon(text)
	return change.Cell{Col: uint16(i), Val: v}, err
}

// putFields sets cells of a mapped hash's row, which is created if it is not there,
// and returns how many fields had no value before. NULL takes a field's value away.
// Nothing has changed if it returns an error.
func (tx *Tx) putFields(h *handle, cells []change.Cell) (added int, err error) {
	for _, c := range cells {
		if c.Val.IsNull() {
			if err := h.t.Cells[c.Col].Null(); err != nil {
				return 0, err
			}
		}
	}
	known := change.Present
	if !h.exists() {
		known = change.Absent
		if err := h.t.MissingOnCreate(func(cell int) bool { return hasCell(cells, uint16(cell)) }); err != nil {
			return 0, err
		}
		tx.create(h, keyspace.TypeHash)
		for _, d := range h.t.Defaults() {
			if !hasCell(cells, d.Col) {
				tx.showCell(h, d)
			}
		}
	}
	for _, c := range cells {
		if tx.showCell(h, c) {
			added++
		}
	}
	tx.putCells(h, cells, known)
	return added, nil
}

// showCell puts a cell into the entry's hash and reports whether the field is new.
func (tx *Tx) showCell(h *handle, c change.Cell) (added bool) {
	tx.touch(h)
	name := []byte(h.t.Cells[c.Col].Name)
	if c.Val.IsNull() {
		h.e.Hash().Del(name)
		return false
	}
	var buf [64]byte
	return h.e.Hash().Set(name, c.Val.AppendText(buf[:0]))
}
