package lull

import (
	"errors"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/world"
)

func newLoader() *loader {
	return &loader{running: make(map[dbKey]loading), wake: make(chan struct{}, 1), open: true}
}

// busyLoader has as many rounds under way as there may be.
func busyLoader() *loader {
	l := newLoader()
	l.rounds = loadRounds
	return l
}

// joined are the places of keys that had to wait.
func joined(t *testing.T, l *loader, keys []loadKey) []loading {
	t.Helper()
	theirs, first := l.join(keys)
	if theirs == nil || first {
		t.Fatalf("%q is loaded apart", namesOf(keys))
	}
	return theirs
}

// keysOf are keys of a table of this kind.
func keysOf(kind mapping.Kind, names ...string) (keys []loadKey) {
	t := &mapping.Table{Kind: kind}
	t.Def.Space = 1
	for _, n := range names {
		keys = append(keys, loadKey{dbKey: dbKey{0, n}, t: t})
	}
	return keys
}

func namesOf(keys []loadKey) (all string) {
	for _, k := range keys {
		all += k.name
	}
	return all
}

// TestLoadIsDividedAmongCallers: each key is loaded once, and whoever came later finds its
// error at its place.
func TestLoadIsDividedAmongCallers(t *testing.T) {
	key := func(names ...string) []loadKey { return keysOf(mapping.Hash, names...) }
	for _, c := range []struct {
		name          string
		before, keys  []loadKey
		mine          string
		theirs        []int // places among those of the call before
		stillUnloaded int
	}{
		{"nobody loads", nil, key("a", "b"), "ab", nil, 2},
		{"one named twice", nil, key("a", "a", "b", "a"), "ab", nil, 2},
		{"another loads the first", key("x", "a"), key("a", "b"), "b", []int{1}, 3},
		{"another loads the last", key("b"), key("a", "b"), "a", []int{0}, 2},
		{"another loads all", key("a", "b"), key("b", "a"), "", []int{1, 0}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLoader()
			l.begin(&loadCall{}, c.before)
			given := namesOf(c.keys)
			mine, theirs := l.begin(&loadCall{}, c.keys)
			if namesOf(mine) != c.mine || len(theirs) != len(c.theirs) {
				t.Fatalf("mine %q, %d of others; wanted %q, %d", namesOf(mine), len(theirs), c.mine, len(c.theirs))
			}
			for i, other := range theirs {
				if other.at != c.theirs[i] {
					t.Errorf("key %d of others: at %d, wanted %d", i, other.at, c.theirs[i])
				}
			}
			if namesOf(c.keys) != given {
				t.Errorf("the caller's keys became %q", namesOf(c.keys))
			}
			if len(l.running) != c.stillUnloaded {
				t.Errorf("%d keys are loading, wanted %d", len(l.running), c.stillUnloaded)
			}
			if l.end(mine); len(l.running) != len(c.before) {
				t.Errorf("%d keys are loading after the end, wanted %d", len(l.running), len(c.before))
			}
		})
	}
}

// TestKeysOfManyCallersGoInOneRound: while no round can begin, all that come are added to
// the next, each key once.
func TestKeysOfManyCallersGoInOneRound(t *testing.T) {
	l := busyLoader()
	first := joined(t, l, keysOf(mapping.Hash, "a", "b", "a"))
	second := joined(t, l, keysOf(mapping.String, "b", "c"))
	if l.take() != nil {
		t.Fatal("one round too many is under way")
	}
	l.leave()
	<-l.wake
	call := l.take()
	if call == nil || namesOf(call.keys) != "abc" || call.callers != 2 {
		t.Fatalf("the round: %+v", call)
	}
	for i, at := range []int{0, 1, 0} {
		if first[i] != (loading{call, at}) {
			t.Errorf("key %d of the first caller: %+v, wanted place %d", i, first[i], at)
		}
	}
	if second[0] != (loading{call, 1}) || second[1] != (loading{call, 2}) {
		t.Errorf("the second caller: %+v", second)
	}
	late := joined(t, l, keysOf(mapping.Hash, "c", "d"))
	if late[0].call != call || late[1].call == call {
		t.Error("who comes when a round is under way waits for it, and for the next")
	}
	l.leave()
	if call = l.take(); namesOf(call.keys) != "d" {
		t.Errorf("the next round has %q", namesOf(call.keys))
	}
	if l.leave(); l.take() != nil {
		t.Error("there is a third round")
	}
}

// TestWhoComesFirstDoesNotWait: as long as rounds can begin, keys are not gathered.
func TestWhoComesFirstDoesNotWait(t *testing.T) {
	l := newLoader()
	for i := range loadRounds {
		if theirs, first := l.join(keysOf(mapping.Hash, "a")); theirs != nil || !first {
			t.Fatalf("caller %d waits", i)
		}
	}
	joined(t, l, keysOf(mapping.Hash, "b"))
	l.leave()
	if theirs, _ := l.join(keysOf(mapping.Hash, "c")); theirs == nil {
		t.Error("who comes later overtakes who waits")
	}
}

func TestWhatIsLoadedApart(t *testing.T) {
	generic := keysOf(mapping.Hash, "a")
	generic[0].t.Def.Space = 0
	for _, c := range []struct {
		name string
		keys []loadKey
		want bool
	}{
		{"rows", append(keysOf(mapping.Hash, "a"), keysOf(mapping.String, "b")...), false},
		{"a collection", keysOf(mapping.ZSet, "a"), true},
		{"a row and a collection", append(keysOf(mapping.Hash, "a"), keysOf(mapping.Set, "b")...), true},
		{"a stream", keysOf(mapping.Stream, "a"), true},
		{"a generic key", generic, true},
	} {
		if theirs, _ := busyLoader().join(c.keys); (theirs == nil) != c.want {
			t.Errorf("%s: waits: %v", c.name, theirs != nil)
		}
	}
}

// TestARoundThatIsLongIsFollowedByAnother: nobody is added to one that is full, and
// another is woken for the rest.
func TestARoundThatIsLongIsFollowedByAnother(t *testing.T) {
	l := busyLoader()
	full := keysOf(mapping.Hash, make([]string, roundKeysMax)...)
	for i := range full {
		full[i].db = uint8(i)
		full[i].name = string(rune('a' + i/256))
	}
	joined(t, l, full)
	joined(t, l, keysOf(mapping.Hash, "more"))
	l.rounds = 0
	if n := len(l.take().keys); n != roundKeysMax {
		t.Errorf("the first round has %d keys", n)
	}
	select {
	case <-l.wake:
	default:
		t.Error("nobody is woken for the other")
	}
	if got := namesOf(l.take().keys); got != "more" {
		t.Errorf("the other has %q", got)
	}
}

func TestAfterTheEndKeysAreLoadedApart(t *testing.T) {
	l := busyLoader()
	waits := joined(t, l, keysOf(mapping.Hash, "a"))
	l.shut()
	<-waits[0].call.done
	if err := waits[0].call.errs[0]; !errors.Is(err, ErrClosed) {
		t.Errorf("who waits is told %v", err)
	}
	if theirs, first := l.join(keysOf(mapping.Hash, "a")); theirs != nil || first || len(l.running) != 0 {
		t.Error("there are rounds still")
	}
}

// TestAnOldKeyStaysWhenItsLoadIsLate: the database hangs, and a load that others make does
// not come in time. Keys that had only grown old stay, and those alone.
func TestAnOldKeyStaysWhenItsLoadIsLate(t *testing.T) {
	for _, c := range []struct {
		name string
		load func(db *DB, keys []loadKey) error
	}{
		{"a round behind others", func(db *DB, keys []loadKey) error {
			db.loader.rounds = loadRounds
			return db.load(t.Context(), keys)
		}},
		{"another's of the same keys", func(db *DB, keys []loadKey) error {
			db.loader.begin(newLoadCall(), keys)
			return db.loadApart(t.Context(), keys)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, missing := range []bool{false, true} {
				db := &DB{opts: Options{LoadTimeout: time.Millisecond, world: world.Real{}}, clock: newClock(time.Now(), 0)}
				db.loader.running, db.loader.wake, db.loader.open = make(map[dbKey]loading), make(chan struct{}, 1), true
				keys := keysOf(mapping.Hash, "a", "b")
				var entries []*keyspace.Entry
				for i := range keys {
					k := &keys[i]
					if k.hash = keyspace.Hash64([]byte(k.name)); missing && i == 1 {
						continue
					}
					e := &keyspace.Entry{Key: k.name}
					entries = append(entries, e)
					db.shards[shardOf(k.hash)].insert(0, k.hash, e)
				}
				if err := c.load(db, keys); errors.Is(err, ErrNoDB) != missing || err != nil && !missing {
					t.Errorf("a key is missing: %v; got %v", missing, err)
				}
				for _, e := range entries {
					if e.LoadedAt == 0 {
						t.Errorf("%s is to be loaded again at once", e.Key)
					}
				}
			}
		})
	}
}
