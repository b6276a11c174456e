package lull

import (
	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

// image is a key's rows as they are gathered during a load: first what SQL has,
// then, laid over it, what was set aside, what cuts carry, and what is dirty.
type image struct {
	// width gives the number of columns of a table.
	width func(table uint16) int
	rows  []imageRow
	// at finds a row by its name; made when the first layer is laid over.
	at map[imageID]int
	// tail is what SQL showed of a stream's newest entries.
	tail tailRead
}

type imageID struct {
	table uint16
	row   string
}

type imageRow struct {
	imageID
	// cells are all columns of the table's definition; what is not known is NULL.
	cells []value.Value
	gone  bool
}

// add puts in a row that SQL has.
func (m *image) add(table uint16, row string, cells []value.Value) {
	m.rows = append(m.rows, imageRow{imageID: imageID{table, row}, cells: cells})
}

// each calls fn for the rows that are there.
func (m *image) each(fn func(table uint16, row string, cells []value.Value) error) error {
	for i := range m.rows {
		if r := &m.rows[i]; !r.gone {
			if err := fn(r.table, r.row, r.cells); err != nil {
				return err
			}
		}
	}
	return nil
}

// find returns the row's cells, or nil if it is not there.
func (m *image) find(table uint16, row string) []value.Value {
	for i := range m.rows {
		if r := &m.rows[i]; !r.gone && r.table == table && r.row == row {
			return r.cells
		}
	}
	return nil
}

// Clear, Put and Delete lay what is dirty over the rows; see dirty.Rows.
func (m *image) Clear() { m.rows, m.at, m.tail = m.rows[:0], nil, tailRead{} }

// Put lays cells over a row, which need not be there.
func (m *image) Put(table uint16, row string, cells []change.Cell, recreate bool) {
	i, ok := m.index(imageID{table, row})
	if !ok {
		i = len(m.rows)
		m.at[imageID{table, row}] = i
		m.rows = append(m.rows, imageRow{imageID: imageID{table, row}, gone: true})
	}
	r := &m.rows[i]
	if r.gone || recreate {
		r.cells, r.gone = make([]value.Value, m.width(table)), false
	}
	for _, c := range cells {
		r.cells[c.Col] = c.Val
	}
}

// Delete drops a row.
func (m *image) Delete(table uint16, row string) {
	if i, ok := m.index(imageID{table, row}); ok {
		m.rows[i].gone = true
	}
}

func (m *image) index(id imageID) (int, bool) {
	if m.at == nil {
		m.at = make(map[imageID]int, len(m.rows))
		for i := range m.rows {
			m.at[m.rows[i].imageID] = i
		}
	}
	i, ok := m.at[id]
	return i, ok
}
