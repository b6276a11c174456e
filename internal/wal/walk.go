package wal

import (
	"fmt"
	"hash/crc32"
	"math"

	"github.com/lullcache/lull/internal/fsys"
)

const positionMax = Position(math.MaxUint64)

// visitor gets what a walk comes by. Any function may be nil. Data is valid until
// the function returns.
type visitor struct {
	// frame gets every frame; rec is the record that it completes, or nil.
	frame    func(seg int, f frame, rec []byte) error
	preamble func(rec []byte) error
	all      []*segmentFile // that may have a preamble which another has lost
	record   func(pos Position, rec []byte) error
	mark     func(m mark)
}

// stop is where and why a walk ended.
type stop struct {
	seg  int   // index in the chain
	off  int64 // offset in that segment, of the first frame that was not taken
	why  string
	last Position // end of the last whole record
	// carried is how many bytes of an unfinished record came before.
	carried uint64
}

// walker carries the state of a walk from segment to segment.
type walker struct {
	fs     fsys.FS
	id     logID
	chain  []*segmentFile
	upTo   Position // nothing at or above is looked at
	v      visitor
	parts  assembly
	at     stop
	lostTo Position // end of the last gap that a repair left
}

// walk reads the frames of a chain in order until upTo, or until a frame is not
// right, or does not fit to what the next segment says of this one.
func walk(fs fsys.FS, id logID, chain []*segmentFile, upTo Position, v visitor) (stop, error) {
	w := &walker{fs: fs, id: id, chain: chain, upTo: upTo, v: v}
	w.at.last = chain[0].after
	w.parts.holed = chain[0].carried > 0
	for i := range chain {
		if i > 0 && !w.enter(chain[i]) {
			break
		}
		w.at.seg = i
		if err := w.segment(chain[i]); err != nil {
			return w.at, err
		}
	}
	w.at.carried = w.parts.carried()
	return w.at, nil
}

// enter reports whether all is there that comes before segment s.
func (w *walker) enter(s *segmentFile) bool {
	if w.at.last != s.prevEnd && w.lostTo < s.prevEnd {
		return false
	}
	if w.parts.gapped {
		w.parts.hole()
	}
	if s.carried == 0 {
		w.parts = assembly{parts: w.parts.parts[:0]}
	} else if w.parts.carried() != s.carried && !w.parts.holed {
		return false
	}
	w.at.last = max(w.at.last, s.after)
	return true
}

func (w *walker) segment(s *segmentFile) error {
	r, err := s.open(w.fs, w.id)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	defer r.file.Close()
	voidAfter := positionMax
	if w.at.seg+1 < len(w.chain) {
		voidAfter = w.chain[w.at.seg+1].prevEnd
	}
	for s.base+Position(r.off) < w.upTo {
		f, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			w.at.off, w.at.why = r.off, r.why
			return nil
		}
		w.at.off = f.off
		rec, whole, why := w.parts.add(f)
		if why != "" {
			w.at.why = why
			return nil
		}
		pos := s.base + Position(f.next)
		if (whole || f.kind == kindLast) && pos > voidAfter {
			w.at.why = "the log was cut before this record"
			return nil
		}
		if err := w.visit(f, pos, rec, whole); err != nil {
			return err
		}
	}
	w.at.off, w.at.why = r.off, ""
	return nil
}

func (w *walker) visit(f frame, pos Position, rec []byte, whole bool) error {
	if w.v.frame != nil {
		if err := w.v.frame(w.at.seg, f, rec); err != nil {
			return err
		}
	}
	switch {
	case whole:
		w.at.last = pos
		if w.v.record != nil {
			return w.v.record(pos, rec)
		}
	case f.kind == kindPreamble && w.v.preamble != nil:
		return w.v.preamble(f.data)
	case f.kind == kindMark && w.v.mark != nil:
		if m, ok := decodeMark(f.data); ok {
			w.v.mark(m)
		}
	case f.kind == kindLast:
		w.at.last = pos // of a record whose beginning was trimmed or lost
	case f.kind == kindLost:
		w.lostTo = pos
		if f.off == frameStart && w.v.preamble != nil {
			return w.lostPreamble(w.chain[w.at.seg])
		}
	}
	return nil
}

// lostPreamble gives the visitor the preamble of a segment that has lost it, from another
// that has the same. With that of just any other, records would be misread.
func (w *walker) lostPreamble(s *segmentFile) error {
	for _, other := range w.v.all {
		if s.preamble == 0 || other.preamble != s.preamble {
			continue
		}
		r, err := other.open(w.fs, w.id)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		f, ok, err := r.next()
		r.file.Close()
		if err != nil {
			return err
		}
		if ok && f.kind == kindPreamble && crc32.Checksum(f.data, castagnoli) == s.preamble {
			return w.v.preamble(f.data)
		}
	}
	return &DamageError{File: s.name, Offset: frameStart, Why: "the preamble of the segment was lost, and no other has the same, so its records cannot be read"}
}
