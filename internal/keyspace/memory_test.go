package keyspace

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
)

func TestEntryIsOneSmallAllocation(t *testing.T) {
	for _, c := range []struct {
		key  int
		want int64
	}{{0, 48}, {7, 48}, {8, 64}, {23, 64}, {24, 80}, {keyInMax, 128}, {keyInMax + 1, 64 + 96}, {1000, 64 + 1062}} {
		e := NewEntry(bytes.Repeat([]byte("k"), c.key))
		if got := e.headBytes(); got != c.want || len(e.Key()) != c.key {
			t.Errorf("an entry with a key of %d bytes takes %d, wanted %d", c.key, got, c.want)
		}
	}
	if leafBytes > 1024 || innerBytes > 1024 {
		t.Errorf("tree nodes take %d and %d bytes, wanted at most 1024", leafBytes, innerBytes)
	}
}

// What Bytes estimates is what the allocator gave, within a quarter.
func TestBytesAgreeWithTheHeap(t *testing.T) {
	text := func(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }
	collection := func(typ Type, fill func(e *Entry)) func(*Entry, int) {
		return func(e *Entry, _ int) { e.SetNew(typ); fill(e) }
	}
	fields := func(n int) func(*Entry) {
		return func(e *Entry) {
			for i := range n {
				e.Hash().Set(text("field%d", i), text("value%d", i))
			}
		}
	}
	for name, c := range map[string]struct {
		keys int
		fill func(e *Entry, i int)
	}{
		"strings of 64":    {50000, func(e *Entry, i int) { e.SetString(string(text("%064d", i))) }},
		"integers":         {50000, func(e *Entry, i int) { e.SetInt(int64(i)) }},
		"hashes of 4":      {20000, collection(TypeHash, fields(4))},
		"hashes of 100":    {500, collection(TypeHash, fields(100))},
		"hash of 100,000":  {1, collection(TypeHash, fields(100000))},
		"sets of integers": {5000, collection(TypeSet, func(e *Entry) { addMembers(e, 50, "%d") })},
		"sets of 50":       {2000, collection(TypeSet, func(e *Entry) { addMembers(e, 50, "m%d") })},
		"set of 100,000":   {1, collection(TypeSet, func(e *Entry) { addMembers(e, 100000, "member:%010d") })},
		"zsets of 50":      {2000, collection(TypeZSet, func(e *Entry) { addMembers(e, 50, "m%d") })},
		"zset of 100,000":  {1, collection(TypeZSet, func(e *Entry) { addMembers(e, 100000, "member:%012d") })},
		"lists of 5":       {5000, collection(TypeList, func(e *Entry) { addMembers(e, 5, "value %d") })},
		"list of 100,000":  {1, collection(TypeList, func(e *Entry) { addMembers(e, 100000, "value %d") })},
		"streams of 10":    {2000, collection(TypeStream, func(e *Entry) { addMembers(e, 10, "event %d") })},
		"stream of 50,000": {1, collection(TypeStream, func(e *Entry) { addMembers(e, 50000, "event %d") })},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			table := &Table{}
			for i := range c.keys {
				e := NewEntry(text("key:%012d", i))
				c.fill(e, i)
				table.Insert(HashString(e.Key()), e)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			heap := int64(after.HeapAlloc - before.HeapAlloc)
			sum := int64(0)
			table.All(func(e *Entry) bool { sum += e.Bytes(); return true })
			t.Logf("%d bytes a key, estimated %d", heap/int64(c.keys), sum/int64(c.keys))
			if sum < heap*3/4 || sum > heap*5/4 {
				t.Errorf("the heap grew by %d bytes, estimated %d", heap, sum)
			}
			runtime.KeepAlive(table)
		})
	}
}

func addMembers(e *Entry, n int, format string) {
	for i := range n {
		m := fmt.Appendf(nil, format, i)
		switch e.Type() {
		case TypeSet:
			e.Set().Add(m)
		case TypeZSet:
			e.ZSet().Add(m, float64(i*7919%n))
		case TypeList:
			e.List().PushBack(m, nil)
		case TypeStream:
			e.Stream().Append(ID{Ms: uint64(1000 + i)}, m)
		}
	}
}
