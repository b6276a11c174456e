package flush

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lullcache/lull/sink"
)

// refusingAtOnce is how many letters of a table that refused too many rows are tried
// at a time.
const refusingAtOnce = 1000

// refusingPauseMax bounds the growing pause between such tries.
const refusingPauseMax = 10 * time.Minute

// upkeepTimes returns when upkeep has something to do next.
func (f *Flusher) upkeepTimes() (at []time.Time) {
	if !f.gate.mayFlush() {
		return nil
	}
	if len(f.parked) > 0 {
		at = append(at, f.lookAt)
	}
	if len(f.drops) > 0 {
		at = append(at, f.now())
	}
	if f.stats.refusing.Load() > 0 {
		at = append(at, f.letterAt)
	}
	return at
}

// upkeep looks at parked tables again, tries refusing ones, and removes letters that
// were given up.
func (f *Flusher) upkeep(ctx context.Context) error {
	if !f.gate.mayFlush() {
		return nil
	}
	now := f.now()
	if len(f.drops) > 0 {
		if err := f.sendLetters(ctx, nil); err != nil {
			return err
		}
	}
	if len(f.parked) > 0 && !now.Before(f.lookAt) {
		if err := f.look(ctx); err != nil {
			return err
		}
		f.lookAt = f.now().Add(f.o.LookEvery)
	}
	if f.stats.refusing.Load() > 0 && !now.Before(f.letterAt) {
		return f.tryRefusing(ctx)
	}
	return nil
}

// tryRefusing tries some letters of tables that refused too many rows at once.
func (f *Flusher) tryRefusing(ctx context.Context) error {
	before := f.stats.refusing.Load()
	letters := slices.SortedFunc(maps.Values(f.aside.letters), byNumber)
	letters = slices.DeleteFunc(letters, func(l *letter) bool { return l.State != sink.Refusing || !l.found })
	if len(letters) > 0 {
		if err := f.sendLetters(ctx, letters[:min(len(letters), refusingAtOnce)]); err != nil {
			return err
		}
	}
	f.countRefusing()
	if f.stats.refusing.Load() < before {
		f.pause = 0
	} else {
		f.pause = min(max(2*f.pause, f.o.LookEvery), refusingPauseMax)
	}
	f.letterAt = f.now().Add(max(f.pause, f.o.LookEvery))
	return nil
}

func (f *Flusher) countRefusing() {
	n := 0
	for _, l := range f.aside.letters {
		if l.State == sink.Refusing && l.found {
			n++
		}
	}
	if f.stats.refusing.Swap(int64(n)) == 0 {
		f.letterAt = f.now().Add(f.o.LookEvery)
	}
}
