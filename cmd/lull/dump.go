package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/wal"
	"github.com/lullcache/lull/value"
)

// dumpLog prints every record: its position, its time, and what it changed, in terms
// of the tables that the log itself names.
func dumpLog(dir string, o *logOptions) error {
	d := dumper{w: bufio.NewWriter(os.Stdout), all: o.all}
	err := wal.Dump(fsys.OS{}, dir, wal.Position(o.after), d.entry)
	if flushErr := d.w.Flush(); err == nil {
		err = flushErr
	}
	return err
}

type dumper struct {
	w       *bufio.Writer
	all     bool
	tables  change.Dictionary
	changes []change.Change
	placed  []change.Placed
}

// entry prints one frame of the log.
func (d *dumper) entry(e wal.DumpEntry) error {
	switch {
	case e.Kind == "preamble":
		var err error
		if d.tables, err = change.DecodeDictionary(e.Data); err != nil {
			return fmt.Errorf("%s at offset %d: %w", e.File, e.Offset, err)
		}
	case e.Record != nil:
		if err := d.record(e.Pos, e.Record); err != nil {
			return fmt.Errorf("%s at offset %d: %w", e.File, e.Offset, err)
		}
		return nil
	}
	if d.all {
		fmt.Fprintf(d.w, "%d  %s, %d bytes", e.Pos, e.Kind, len(e.Data))
		if e.Durable > 0 {
			fmt.Fprintf(d.w, ", on disk up to %d", e.Durable)
		}
		fmt.Fprintln(d.w)
	}
	return nil
}

// record prints one record.
func (d *dumper) record(pos wal.Position, rec []byte) (err error) {
	typ, err := change.TypeOf(rec)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.w, "%d  %s", pos, typ)
	switch typ {
	case change.Unit:
		var ms int64
		if ms, d.changes, err = change.DecodeUnit(rec, d.changes[:0]); err == nil {
			fmt.Fprintf(d.w, "  %s\n", clockText(ms))
			for i := range d.changes {
				d.change(&d.changes[i])
			}
		}
		return err
	case change.SettledRecord:
		var s change.Settled
		s, err = change.DecodeSettled(rec)
		fmt.Fprintf(d.w, "  %s  the database has everything up to %d%s\n", clockText(s.UnixMs), s.Position, partText(s))
		return err
	case change.GapRecord:
		var g change.Gap
		g, err = change.DecodeGap(rec)
		fmt.Fprintf(d.w, "  what was written between %d and %d is in the database alone\n", g.From, g.To)
		return err
	case change.CheckpointBegin:
		var c change.Checkpoint
		c, err = change.DecodeCheckpointBegin(rec)
		fmt.Fprintf(d.w, "  %s  what was dirty between %d and %d\n", clockText(c.UnixMs), c.Base, c.Position)
		return err
	case change.CheckpointChunk:
		d.placed, err = change.DecodeCheckpointChunk(rec, d.placed[:0])
		fmt.Fprintf(d.w, "  %d changes\n", len(d.placed))
		for i := range d.placed {
			d.change(&d.placed[i].Change)
		}
		return err
	case change.CheckpointEnd:
		var n uint64
		_, n, err = change.DecodeCheckpointEnd(rec)
		fmt.Fprintf(d.w, "  %d changes\n", n)
		return err
	}
	fmt.Fprintln(d.w)
	return nil
}

func partText(s change.Settled) string {
	text := ""
	if s.Next != 0 {
		text = fmt.Sprintf(", and %d operations of the cut at %d", s.Part, s.Next)
	}
	for _, b := range s.Bounds {
		text += fmt.Sprintf(", perhaps up to %d", b)
	}
	return text
}

func clockText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000") }

var opNames = map[change.Op]string{
	change.Set: "set", change.Delete: "delete", change.Append: "append", change.Clear: "clear", change.ClearTable: "clear table",
}

// change prints one change on a line of its own, as in
// `set players (id=42) name=Ann score=10`.
func (d *dumper) change(c *change.Change) {
	fmt.Fprintf(d.w, "    %s ", opNames[c.Op])
	if int(c.Table) >= len(d.tables) {
		fmt.Fprintf(d.w, "table %d, which the log does not name\n", c.Table)
		return
	}
	t := &d.tables[c.Table]
	if t.Schema != "" {
		fmt.Fprintf(d.w, "%s.", t.Schema)
	}
	fmt.Fprint(d.w, t.Name)
	if t.PerDB {
		fmt.Fprintf(d.w, " db%d", c.DB)
	}
	if c.Op != change.ClearTable {
		var names, vals []string
		names, vals = appendColumns(names, vals, t.KeyColumns, c.Key)
		if c.Op != change.Clear {
			names, vals = appendColumns(names, vals, t.RowColumns, c.Row)
		}
		fmt.Fprint(d.w, " (")
		writePairs(d.w, names, vals, ", ")
		fmt.Fprint(d.w, ")")
	}
	for _, cell := range c.Cells {
		name := "column " + strconv.Itoa(int(cell.Col))
		if int(cell.Col) < len(t.Columns) {
			name = t.Columns[cell.Col]
		}
		fmt.Fprintf(d.w, " %s=%s", name, cellText(cell.Val))
	}
	fmt.Fprintln(d.w)
}

// appendColumns takes a tuple apart. One that does not fit is shown whole.
func appendColumns(names, vals, columns []string, tuple string) ([]string, []string) {
	parts, ok := change.SplitTuple(nil, tuple, len(columns))
	if !ok {
		return append(names, strings.Join(columns, "+")), append(vals, shownText(tuple))
	}
	for i, part := range parts {
		names, vals = append(names, columns[i]), append(vals, shownText(part))
	}
	return names, vals
}

func writePairs(w io.Writer, names, vals []string, between string) {
	for i := range names {
		if i > 0 {
			fmt.Fprint(w, between)
		}
		fmt.Fprintf(w, "%s=%s", names[i], vals[i])
	}
}

func cellText(v value.Value) string {
	if v.IsNull() {
		return "NULL"
	}
	return shownText(v.String())
}

// shownMax is how much of a value is shown.
const shownMax = 200

// shownText quotes what would not be read as one word.
func shownText(s string) string {
	rest := ""
	if len(s) > shownMax {
		rest = fmt.Sprintf("…(%d bytes)", len(s))
		s = s[:shownMax]
		for len(s) > 0 && !utf8.ValidString(s) && len(s) > shownMax-utf8.UTFMax {
			s = s[:len(s)-1] // a rune that was cut in two
		}
	}
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == utf8.RuneError || r == '"' || r == '=' || r == ',' || r == '(' || r == ')' || !strconv.IsPrint(r)
	})
	if !plain {
		s = strconv.Quote(s)
	}
	return s + rest
}
