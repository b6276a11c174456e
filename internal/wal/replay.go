package wal

import "fmt"

// Replay calls fn for every record that ends after `after`, in order, up to the end
// of the log at the time of the call. Before the first record of each segment it
// calls preamble with that segment's; a record that reaches over several segments
// comes after the preamble of its last. rec is valid until the function returns. The
// first error of either ends the replay and is returned as it is. preamble may be
// nil.
//
// Replay may run at any time between Open and Close, beside appends; meanwhile no
// segment is removed. Errors of its own: ErrTrimmed, *DamageError.
func (l *Log) Replay(after Position, preamble func(rec []byte) error, fn func(pos Position, rec []byte) error) error {
	chain, from, upTo := l.pin()
	defer l.unpin()
	if len(chain) == 0 {
		return nil
	}
	if after < from {
		return fmt.Errorf("%w: %d, asked for what follows %d", ErrTrimmed, from, after)
	}
	all, first := chain, len(chain)-1
	for first > 0 && (chain[first].prevEnd > after || chain[first].carried > 0) {
		first--
	}
	chain = chain[first:]
	at, err := walk(l.fs, l.id, chain, upTo, visitor{
		preamble: preamble, all: all,
		record: func(pos Position, rec []byte) error {
			if pos <= after {
				return nil
			}
			return fn(pos, rec)
		},
	})
	if err != nil {
		return err
	}
	return damageAt(chain, at, upTo)
}

// pin keeps all segments in place until unpin. It returns them, the position after
// which a replay can begin, and that behind the last frame.
func (l *Log) pin() (chain []*segmentFile, from, upTo Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replaying++
	chain = l.chainFiles()
	if len(chain) == 0 {
		return nil, 0, 0
	}
	from, upTo = oldest(chain, l.End()), chain[len(chain)-1].base+Position(l.tail.off)
	if l.active != nil {
		upTo = l.active.position()
	}
	return chain, from, upTo
}

// chainFiles returns the chain without what only an open log needs. l.mu is held.
func (l *Log) chainFiles() []*segmentFile {
	chain := make([]*segmentFile, len(l.chain))
	for i, s := range l.chain {
		chain[i] = &s.segmentFile
	}
	return chain
}

func (l *Log) unpin() {
	l.mu.Lock()
	l.replaying--
	l.mu.Unlock()
	wake(l.wakeTend)
}
