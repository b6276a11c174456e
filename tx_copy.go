package lull

import (
	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
)

// duplicate makes dst a copy of src, with its expiry. Both are of one table, and src
// is in memory whole.
func (tx *Tx) duplicate(src, dst *handle) error {
	at := src.e.ExpireAt
	switch src.e.Type() {
	case keyspace.TypeString:
		tx.setString(dst, src.e.Value(), at)
		return nil
	case keyspace.TypeHash:
		if src.mapped() {
			return tx.duplicateRow(src, dst)
		}
	}
	if dst.exists() {
		tx.remove(dst)
	}
	tx.create(dst, src.e.Type())
	switch src.e.Type() {
	case keyspace.TypeHash:
		src.e.Hash().Each(func(field, val []byte) bool {
			dst.e.Hash().Set(field, val)
			tx.putRow(dst, tx.text(field), tx.one(childValue, tx.textCell(val)), false)
			return true
		})
	case keyspace.TypeSet:
		src.e.Set().Each(func(member []byte) bool {
			dst.e.Set().Add(member)
			tx.putRow(dst, tx.text(member), nil, false)
			return true
		})
	case keyspace.TypeZSet:
		tx.duplicateZSet(src, dst)
	case keyspace.TypeList:
		tx.duplicateList(src, dst)
	case keyspace.TypeStream:
		tx.duplicateStream(src, dst)
	}
	if at != 0 {
		tx.setExpiry(dst, at)
	}
	return nil
}

// duplicateRow copies a mapped row: columns that src does not have become NULL.
func (tx *Tx) duplicateRow(src, dst *handle) error {
	var cells []change.Cell
	for i := range src.t.Cells {
		c := &src.t.Cells[i]
		if c.Managed {
			continue
		}
		cell := change.Cell{Col: uint16(i)}
		if text, ok := src.e.Hash().Get([]byte(c.Name)); ok {
			v, err := c.Canon(text)
			if err != nil {
				return err
			}
			cell.Val = v
		}
		cells = append(cells, cell)
	}
	if _, err := tx.putFields(dst, tx.cellsOf(cells...)); err != nil {
		return err
	}
	if src.e.ExpireAt != dst.e.ExpireAt {
		tx.setExpiry(dst, src.e.ExpireAt)
	}
	return nil
}

func (tx *Tx) duplicateList(src, dst *handle) {
	src.e.List().Each(0, false, func(_ int, pos int64, val []byte) bool {
		dst.e.List().Append(pos, val)
		tx.putRow(dst, tx.positionText(pos), tx.one(childValue, tx.textCell(val)), false)
		return true
	})
}
