package mapping

import (
	"testing"

	"github.com/lullcache/lull/sink"
)

// What a write pays on its way: the tuple of its key, and each value's check.
func BenchmarkTuple(b *testing.B) {
	m := compile(b, gameSpecs(), game())
	for _, key := range []string{"player:12345678", "views:/home/page", "order:ann:7", "tags:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"} {
		t := m.MatchString(key)
		b.Run(t.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.TupleString(key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCanon(b *testing.B) {
	for _, bb := range []struct {
		typ sink.Type
		in  string
	}{
		{bigint, "12345678"}, {varchar20, "Ann Example"}, {double, "12345"}, {double, "0.25"}, {money, "12.50"}, {stampTZ, "2026-01-31T12:00:00.123456Z"},
		{uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {jsonb, `{"a": 1, "b": [1, 2, 3]}`},
	} {
		c, in := column(bb.typ), []byte(bb.in)
		b.Run(bb.typ.SQL+" "+bb.in[:2], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Canon(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	c := column(stampTZ)
	b.Run("time of a write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Time(1769900399123); err != nil {
				b.Fatal(err)
			}
		}
	})
}
