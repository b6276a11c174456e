package wal

import (
	"errors"
	"fmt"

	"github.com/lullcache/lull/internal/fsys"
)

// Report is what Verify found and Repair would do, or what Repair did.
type Report struct {
	ID       string // empty if there is no log
	Oldest   Position
	End      Position // of the last intact record
	Durable  Position // the highest durable mark found
	Records  int64    // intact ones
	Segments []SegmentReport
	Damage   []*DamageError // what would stop an Open or a replay; empty: all is well
	Lost     []Lost
	// Tail is what an Open would cut off, which is normal after a crash; Bytes is 0
	// if there is none.
	Tail struct {
		File   string
		Offset int64
		Bytes  int64
	}
}

// SegmentReport is one file of the log.
type SegmentReport struct {
	File    string
	Number  uint64
	Base    Position // of the file's first byte
	Bytes   int64    // of the file
	Records int64    // that end in it
	InLog   bool     // false: allocated ahead, left by a trim, or behind a cut tail
	Damaged bool     // something of it is not intact
}

// Lost is a stretch of the log without readable frames. Whether there were records
// in it, or marks alone, cannot be known.
type Lost struct {
	After, UpTo Position
	File        string
	Before      bool // an earlier repair has left it so
}

// Verify reads the whole log in dir and reports what is not as it should be. It
// changes nothing. Nobody may be writing to the log meanwhile: hold fsys.Lock.
// The error is for what cannot be read or repaired at all; damage is in the
// report.
func Verify(fs fsys.FS, dir string) (Report, error) {
	m := newMender(fs, dir)
	err := m.mend()
	return m.report, err
}

// Repair makes the log such that it opens and replays, keeping every intact record
// at its position. Each file that it must change is first copied beside itself, with
// ".damaged" behind its name. The report says what was wrong and what is lost.
// Nobody may be writing to the log meanwhile: hold fsys.Lock.
func Repair(fs fsys.FS, dir string) (Report, error) {
	m := newMender(fs, dir)
	if err := m.mend(); err != nil {
		return m.report, err
	}
	for _, f := range m.survey.files {
		if len(m.patched.patches[f.name]) == 0 {
			continue
		}
		if err := m.patched.apply(dir, f.name); err != nil {
			return m.report, fmt.Errorf("repair: %w", err)
		}
	}
	return m.report, nil
}

// DumpEntry is one intact frame of the log.
type DumpEntry struct {
	File   string
	Offset int64
	Pos    Position // of its end
	// Kind is "record", "preamble", "mark", "lost", or for a record over several
	// segments "first part", "middle part" and "last part".
	Kind    string
	Data    []byte   // of the frame
	Record  []byte   // the whole record that ends here, nil if none does
	Durable Position // of a mark
}

// Dump calls fn for every frame that ends after `from`, in order, with the preamble
// of the segment in which that begins. It stops at damage with a *DamageError. The
// bytes are valid until fn returns; its first error ends the dump.
func Dump(fs fsys.FS, dir string, from Position, fn func(DumpEntry) error) error {
	s, err := look(fs, dir)
	if err != nil {
		return err
	}
	end, err := s.findEnd()
	var damage *DamageError
	if err != nil && !errors.As(err, &damage) || len(s.chain) == 0 {
		return err
	}
	first := 0
	for i, f := range s.chain {
		if f.prevEnd <= from && f.carried == 0 {
			first = i
		}
	}
	chain := s.chain[first:]
	upTo := positionMax
	if damage == nil {
		upTo = s.chain[len(s.chain)-1].base + Position(end.off)
	}
	at, walkErr := walk(fs, s.id, chain, upTo, visitor{
		frame: func(seg int, f frame, rec []byte) error {
			e := DumpEntry{
				File: chain[seg].name, Offset: f.off, Pos: chain[seg].base + Position(f.next),
				Kind: f.kind.String(), Data: f.data, Record: rec,
			}
			if e.Pos <= from && f.kind != kindPreamble {
				return nil
			}
			if m, ok := decodeMark(f.data); ok && f.kind == kindMark {
				e.Durable = m.durable
			}
			return fn(e)
		},
	})
	if walkErr != nil || err != nil {
		return errors.Join(walkErr, err)
	}
	return damageAt(chain, at, upTo)
}

// damageAt says that a walk has not come as far as it should, nil if it has.
func damageAt(chain []*segmentFile, at stop, upTo Position) error {
	s := chain[at.seg]
	if at.seg == len(chain)-1 && s.base+Position(at.off) >= upTo {
		return nil
	}
	return &DamageError{File: s.name, Offset: at.off, Why: at.why, at: at}
}
