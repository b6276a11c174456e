package keyspace

import (
	"bytes"
	"testing"
)

// TestTheFirstChunkIsNotKeptTwice grows lists and streams, each in every way, beyond one
// chunk.
func TestTheFirstChunkIsNotKeptTwice(t *testing.T) {
	v := bytes.Repeat([]byte("v"), 100)
	for name, add := range map[string]func(l *List){
		"behind": func(l *List) { l.PushBack(v, nil) },
		"before": func(l *List) { l.PushFront(v, nil) },
		"within": func(l *List) { l.InsertBefore(l.Len()/2, v, nil) },
	} {
		l := NewList()
		for range 3 {
			add(l)
		}
		if b := l.body(); b.first[0].n != 3 {
			t.Errorf("%s: %d of 3 elements are in the list's own room", name, b.first[0].n)
		}
		for range 500 {
			add(l)
		}
		if b := l.body(); len(b.chunks.items()) < 2 || b.first[0].buf != nil {
			t.Errorf("%s: a list of %d chunks holds %d bytes of another", name, len(b.chunks.items()), len(b.first[0].buf))
		}
	}
	s := NewStream()
	for i := range uint64(300) {
		s.Append(ID{Ms: 1, Seq: i + 1}, v)
	}
	if b := s.body(); len(b.chunks.items()) < 2 || b.first[0].buf != nil {
		t.Errorf("a stream of %d chunks holds %d bytes of another", len(b.chunks.items()), len(b.first[0].buf))
	}
}
