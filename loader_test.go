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
	return &loader{running: make(map[uint64]loading), wake: make(chan struct{}, 1), now: time.Now, open: true}
}

// busyLoader has a round under way.
func busyLoader() *loader {
	l := newLoader()
	l.busy = true
	return l
}

// gathered are the places of keys that had to wait.
func gathered(t *testing.T, l *loader, keys []loadKey) []loading {
	t.Helper()
	theirs, how := l.join(keys, nil)
	if how != joined {
		t.Fatalf("%q is loaded apart", namesOf(keys))
	}
	return theirs
}

// keysOf are keys of a table of this kind.
func keysOf(kind mapping.Kind, names ...string) (keys []loadKey) {
	t := &mapping.Table{Kind: kind}
	t.Def.Space = 1
	for _, n := range names {
		keys = append(keys, loadKey{dbKey: dbKey{0, n}, t: t, hash: keyspace.HashString(n)})
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
	first := gathered(t, l, keysOf(mapping.Hash, "a", "b", "a"))
	second := gathered(t, l, keysOf(mapping.String, "b", "c"))
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
	late := gathered(t, l, keysOf(mapping.Hash, "c", "d"))
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

// TestWhoComesFirstDoesNotWait: while no round is under way, keys are not gathered.
func TestWhoComesFirstDoesNotWait(t *testing.T) {
	l := newLoader()
	if _, how := l.join(keysOf(mapping.Hash, "a"), nil); how != first {
		t.Fatal("he waits")
	}
	gathered(t, l, keysOf(mapping.Hash, "b"))
	l.leave()
	if _, how := l.join(keysOf(mapping.Hash, "c"), nil); how != joined {
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
		if _, how := busyLoader().join(c.keys, nil); (how == apart) != c.want {
			t.Errorf("%s: waits: %v", c.name, how == joined)
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
		full[i].hash = keyspace.HashString(full[i].name)
	}
	gathered(t, l, full)
	gathered(t, l, keysOf(mapping.Hash, "more"))
	l.leave()
	<-l.wake
	if n := len(l.take().keys); n != roundKeysMax {
		t.Errorf("the first round has %d keys", n)
	}
	l.leave()
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
	waits := gathered(t, l, keysOf(mapping.Hash, "a"))
	l.shut()
	<-waits[0].call.done
	if err := waits[0].call.errs[0]; !errors.Is(err, ErrClosed) {
		t.Errorf("who waits is told %v", err)
	}
	if _, how := l.join(keysOf(mapping.Hash, "a"), nil); how != apart || len(l.running) != 0 {
		t.Error("there are rounds still")
	}
}

// TestWhoDoesNotWaitIsToldOnce: when all of the loads that have his keys are over.
func TestWhoDoesNotWaitIsToldOnce(t *testing.T) {
	l := newLoader()
	told := 0
	running := newLoadCall()
	l.begin(running, keysOf(mapping.Hash, "a", "b"))
	if _, how := l.join(keysOf(mapping.Hash, "a", "c", "b", "c"), &then{f: func() { told++ }}); how != joined {
		t.Fatal("they are loaded apart")
	}
	call := l.take()
	if call == nil || namesOf(call.keys) != "c" {
		t.Fatalf("the round: %+v", call)
	}
	if call.end(); told != 0 {
		t.Error("he is told too early")
	}
	if running.end(); told != 1 {
		t.Errorf("he is told %d times", told)
	}
}

// TestARoundEndsBeforeItsCallerWaits: he loads a, and b is in a round that begins after his.
func TestARoundEndsBeforeItsCallerWaits(t *testing.T) {
	db := &DB{opts: Options{LoadTimeout: time.Hour, world: world.Real{}}, clock: newClock(time.Now(), 0)}
	db.loader = *newLoader()
	l := &db.loader
	if _, how := l.join(keysOf(mapping.Hash, "b"), nil); how != first {
		t.Fatal("he waits")
	}
	gathered(t, l, keysOf(mapping.Hash, "b"))
	ended := make(chan error)
	go func() { ended <- db.loadApart(t.Context(), keysOf(mapping.Hash, "b"), first) }()
	<-l.wake
	call := l.take()
	call.errs = make([]error, 1)
	l.end(call.keys)
	call.end()
	if err := <-ended; err != nil {
		t.Error(err)
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
			db.loader.busy = true
			return db.load(t.Context(), keys)
		}},
		{"another's of the same keys", func(db *DB, keys []loadKey) error {
			db.loader.begin(newLoadCall(), keys)
			return db.loadApart(t.Context(), keys, apart)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, missing := range []bool{false, true} {
				db := &DB{opts: Options{LoadTimeout: time.Millisecond, world: world.Real{}}, clock: newClock(time.Now(), 0)}
				db.loader = *newLoader()
				keys := keysOf(mapping.Hash, "a", "b")
				var entries []*keyspace.Entry
				for i := range keys {
					k := &keys[i]
					if k.hash = keyspace.Hash64([]byte(k.name)); missing && i == 1 {
						continue
					}
					e := keyspace.NewEntry([]byte(k.name))
					entries = append(entries, e)
					db.shards[shardOf(k.hash)].insert(0, k.hash, e)
				}
				if err := c.load(db, keys); errors.Is(err, ErrNoDB) != missing || err != nil && !missing {
					t.Errorf("a key is missing: %v; got %v", missing, err)
				}
				for _, e := range entries {
					if e.LoadedAt == 0 {
						t.Errorf("%s is to be loaded again at once", e.Key())
					}
				}
			}
		})
	}
}
