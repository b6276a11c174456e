package flush

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lullcache/lull/internal/world"
	"github.com/lullcache/lull/sink"
)

// Letter is a change that was set aside.
type Letter struct {
	sink.Letter
	// Known is true if the letter is about a table of the dictionary; TableNumber, DB,
	// KeyTuple and RowTuple then say what, in the form of change.Change.
	Known              bool
	TableNumber        uint16
	DB                 uint8
	KeyTuple, RowTuple string
}

func (l *letter) public() Letter {
	return Letter{Letter: l.Letter, Known: l.found, TableNumber: l.table, DB: l.db, KeyTuple: l.key, RowTuple: l.row}
}

type request struct {
	do   func(context.Context) error
	done chan struct{} // closed; err is valid then
	err  error
}

func (r *request) answer(err error) {
	r.err = err
	close(r.done)
}

// Load reads the letters. It has to be called before reads are served, unless the
// database is away: then Run does it.
func (f *Flusher) Load(ctx context.Context) error {
	letters, err := f.o.Writer.Letters(ctx, f.o.Name)
	if err != nil {
		return fmt.Errorf("letters: %w", err)
	}
	f.aside.replace(letters)
	f.countRefusing()
	if f.o.State != nil { // the start has taken the lane
		f.opened.Store(true)
	}
	return nil
}

// reload reads the letters again until it works.
func (f *Flusher) reload(ctx context.Context) error {
	for {
		err := f.Load(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.trouble(err)
		if err := f.backOff(ctx); err != nil {
			return err
		}
	}
}

// Letters returns all letters, oldest first.
func (f *Flusher) Letters() []Letter {
	f.aside.mu.RLock()
	defer f.aside.mu.RUnlock()
	all := slices.SortedFunc(maps.Values(f.aside.letters), byNumber)
	letters := make([]Letter, len(all))
	for i, l := range all {
		letters[i] = l.public()
	}
	return letters
}

// Aside returns how many letters there are and what memory they take.
func (f *Flusher) Aside() (letters int, bytes int64) {
	return int(f.aside.count.Load()), f.aside.size.Load()
}

// Refused returns a letter that the flush which carried position, or a later one, made
// of a change of this key.
func (f *Flusher) Refused(position uint64, space uint16, db uint8, key string) (Letter, bool) {
	a := &f.aside
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(a.letters) == 0 {
		return Letter{}, false
	}
	all := slices.Clone(a.spaces[keyID{space, db, ""}])
	if k := a.keys[keyID{space, db, key}]; k != nil {
		all = append(all, k.all()...)
	}
	for _, l := range all {
		if l.Position >= position {
			return l.public(), true
		}
	}
	return Letter{}, false
}

// Retry tries the letters of these numbers again, all of them if none is given, and
// returns how many are left of them.
func (f *Flusher) Retry(ctx context.Context, ids ...int64) (left int, err error) {
	err = f.do(ctx, func(ctx context.Context) error {
		letters, err := f.chosen(ids)
		if err != nil {
			return err
		}
		if err := f.sendLetters(ctx, letters); err != nil {
			return err
		}
		for _, l := range letters {
			if f.aside.letters[l.ID] != nil {
				left++
			}
		}
		return nil
	})
	return left, err
}

// Drop gives up the letters of these numbers, all of them if none is given. What they
// held is lost; memory forgets their keys.
func (f *Flusher) Drop(ctx context.Context, ids ...int64) error {
	return f.do(ctx, func(ctx context.Context) error {
		letters, err := f.chosen(ids)
		if err != nil {
			return err
		}
		for _, l := range letters {
			f.drops = append(f.drops, l.ID)
		}
		if err := f.sendLetters(ctx, nil); err != nil {
			return err
		}
		for _, l := range letters {
			f.forget(l)
		}
		return nil
	})
}

func (f *Flusher) forget(l *letter) {
	if l.found {
		f.src.Forget(f.o.Dictionary[l.table].Space, l.db, l.key)
	}
}

// do has Run's goroutine do something between two flushes.
func (f *Flusher) do(ctx context.Context, what func(context.Context) error) error {
	r := &request{do: what, done: make(chan struct{})}
	if err := f.gate.put(r); err != nil {
		return err
	}
	f.Kick()
	if f.o.World.Wait(ctx, world.Never, r.done) {
		return r.err
	}
	f.gate.withdraw(r)
	return ctx.Err()
}

func (f *Flusher) chosen(ids []int64) (letters []*letter, err error) {
	if len(ids) == 0 {
		return slices.SortedFunc(maps.Values(f.aside.letters), byNumber), nil
	}
	for _, id := range ids {
		l := f.aside.letters[id]
		if l == nil {
			return nil, fmt.Errorf("%w: %d", ErrNoLetter, id)
		}
		letters = append(letters, l)
	}
	return letters, nil
}
