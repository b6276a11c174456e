package change

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lullcache/lull/value"
)

func sampleUnit() []Change {
	return []Change{
		{Op: Set, Known: Present, Table: 7, Key: "42", Cells: []Cell{
			{Col: 0, Val: value.OfString("Ann")}, {Col: 1, Val: value.OfInt(-10)},
			{Col: 300, Val: value.OfFloat(math.Inf(-1))}, {Col: 4}}},
		{Op: Set, Known: Absent, Table: 7, Key: "42", Row: "member", Cells: []Cell{{Val: value.OfString("")}}},
		{Op: Delete, Table: 300, DB: 15, Key: "k\x00", Row: "r"},
		{Op: Delete, Table: 300, DB: 15, Key: "k\x00", Row: "s"},
		{Op: Append, Table: 300, DB: 15, Key: "", Row: "1-1", Cells: []Cell{{Val: value.OfInt(math.MinInt64)}}},
		{Op: Clear, Table: 1, Key: strings.Repeat("x", 200)},
		{Op: ClearTable, Table: 2, DB: 3},
		{Op: Set, Table: 2},
	}
}

func TestUnitRoundTrip(t *testing.T) {
	want := sampleUnit()
	rec := AppendUnit(nil, 1_790_000_000_123, want)
	if typ, err := TypeOf(rec); typ != Unit || err != nil {
		t.Fatalf("type %v, %v", typ, err)
	}
	ms, got, err := DecodeUnit(rec, nil)
	if err != nil || ms != 1_790_000_000_123 {
		t.Fatalf("time %d, %v", ms, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	for n := range rec {
		if _, _, err := DecodeUnit(rec[:n], nil); err == nil && n > 8 {
			// A cut between two changes is a shorter unit; the log's CRC tells.
			if _, c, _ := DecodeUnit(rec[:n], nil); len(c) >= len(want) {
				t.Errorf("%d of %d bytes decode as a whole unit", n, len(rec))
			}
		}
	}
}

func TestOtherRecordsRoundTrip(t *testing.T) {
	def := Dictionary{
		{Mapping: "players", Name: "players", Space: 1, KeyColumns: []string{"id"}, Columns: []string{"name", "score"}},
		{Schema: "own", Name: "lull_hashes", PerDB: true, KeyColumns: []string{"key"}, RowColumns: []string{"field"}},
	}
	if got, err := DecodeDictionary(AppendDictionary(nil, def)); err != nil || !reflect.DeepEqual(got, def) {
		t.Errorf("dictionary: %+v, %v", got, err)
	}
	for i := range 4 {
		s := Settled{UnixMs: -1, Position: math.MaxUint64, Next: 7, Part: 3, Away: i&1 != 0, Bounds: []uint64{8, math.MaxUint64}}
		if i&2 != 0 {
			s.Start = math.MaxUint64
		}
		if got, err := DecodeSettled(AppendSettled(nil, s)); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("settled: %+v, %v", got, err)
		}
	}
	c := Checkpoint{UnixMs: 5, Base: 6, Position: 7}
	if got, err := DecodeCheckpointBegin(AppendCheckpointBegin(nil, c)); err != nil || got != c {
		t.Errorf("checkpoint: %+v, %v", got, err)
	}
	if p, n, err := DecodeCheckpointEnd(AppendCheckpointEnd(nil, 9, 10)); err != nil || p != 9 || n != 10 {
		t.Errorf("checkpoint end: %d %d %v", p, n, err)
	}
	if got, err := DecodeGap(AppendGap(nil, Gap{From: 11, To: 12})); err != nil || got != (Gap{From: 11, To: 12}) {
		t.Errorf("gap: %+v, %v", got, err)
	}
	var placed []Placed
	for i, c := range sampleUnit() {
		placed = append(placed, Placed{Seq: uint64(i) * 1000, Change: c})
	}
	if got, err := DecodeCheckpointChunk(AppendCheckpointChunk(nil, placed), nil); err != nil || !reflect.DeepEqual(got, placed) {
		t.Errorf("chunk: %+v, %v", got, err)
	}
}

func TestHostileRecords(t *testing.T) {
	huge := "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
	for name, c := range map[string]struct {
		rec  string
		want error
	}{
		"empty":                 {"", ErrDamaged},
		"type of later version": {"\x08", ErrUnknownType},
		"type 0":                {"\x00", ErrUnknownType},
		"another type":          {"\x02\x00", ErrDamaged},
		"reserved op":           {"\x01\x00\x06\x00\x00", ErrDamaged},
		"known 3":               {"\x01\x00\x19\x00\x00\x00", ErrDamaged},
		"same as nothing":       {"\x01\x00\x82", ErrDamaged},
		"huge key":              {"\x01\x00\x02\x00" + huge, ErrDamaged},
		"huge cell count":       {"\x01\x00\x01\x00\x00" + huge, ErrDamaged},
		"table too high":        {"\x01\x00\x02\xff\xff\x7f\x00", ErrDamaged},
	} {
		if _, _, err := DecodeUnit([]byte(c.rec), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		sameParts(t, []byte(c.rec))
	}
	if _, err := DecodeDictionary([]byte("\x02" + huge)); !errors.Is(err, ErrDamaged) {
		t.Errorf("huge dictionary: %v", err)
	}
	if _, err := DecodeSettled([]byte("\x03\x00\x00\x00\x00\x00\x80")); !errors.Is(err, ErrDamaged) {
		t.Errorf("settled with half a bound: %v", err)
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	unit, buf := sampleUnit(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendUnit(buf[:0], 1, unit) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode holds that no bytes make a decoder panic, and that what decodes
// encodes to bytes that decode to the same.
func FuzzDecode(f *testing.F) {
	f.Add(AppendUnit(nil, 1, sampleUnit()))
	f.Add(AppendDictionary(nil, Dictionary{{Name: "a", Columns: []string{"b"}}}))
	f.Add(AppendSettled(nil, Settled{Position: 1}))
	f.Add(AppendCheckpointBegin(nil, Checkpoint{Position: 1}))
	f.Add(AppendCheckpointChunk(nil, []Placed{{Seq: 1, Change: sampleUnit()[0]}}))
	f.Add(AppendCheckpointEnd(nil, 1, 2))
	f.Add(AppendGap(nil, Gap{From: 1, To: 2}))
	f.Fuzz(func(t *testing.T, rec []byte) {
		DecodeSettled(rec)
		DecodeGap(rec)
		DecodeCheckpointBegin(rec)
		DecodeCheckpointEnd(rec)
		DecodeCheckpointChunk(rec, nil)
		if def, err := DecodeDictionary(rec); err == nil {
			again, err := DecodeDictionary(AppendDictionary(nil, def))
			if err != nil || !reflect.DeepEqual(again, def) {
				t.Fatalf("dictionary: %+v, %v", again, err)
			}
		}
		sameParts(t, rec)
		ms, changes, err := DecodeUnit(rec, nil)
		if err != nil {
			return
		}
		once := AppendUnit(nil, ms, changes)
		_, again, err := DecodeUnit(once, nil)
		if err != nil || !bytes.Equal(AppendUnit(nil, ms, again), once) {
			t.Fatalf("unit does not come back: %v", err)
		}
	})
}

func BenchmarkAppendUnit(b *testing.B) {
	unit, buf := sampleUnit()[:1], make([]byte, 0, 4096)
	for b.Loop() {
		buf = AppendUnit(buf[:0], 1_790_000_000_123, unit)
	}
}

func BenchmarkDecodeUnit(b *testing.B) {
	rec := AppendUnit(nil, 1_790_000_000_123, sampleUnit()[:1])
	var into []Change
	for b.Loop() {
		_, into, _ = DecodeUnit(rec, into)
	}
}
