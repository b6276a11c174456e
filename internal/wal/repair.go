package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/lullcache/lull/internal/fsys"
)

// mender finds damage after damage and patches each, until the log, seen through
// its patches, opens and replays. A patch never touches an intact frame: it closes a
// hole by a frame that says "lost", or gives a segment a header.
type mender struct {
	dir     string
	patched *patchedFS
	survey  *survey
	missing []Lost // segments that are gone
	report  Report
}

func newMender(fs fsys.FS, dir string) *mender {
	return &mender{dir: dir, patched: &patchedFS{FS: fs, patches: map[string][]patch{}}}
}

// roundsPerFile bounds the search: a file can lack its header, its link, and frames.
const roundsPerFile = 4

// mend patches until there is no damage, and reports.
func (m *mender) mend() error {
	for round := 0; ; round++ {
		err := m.check()
		var damage *DamageError
		if err == nil {
			return nil
		}
		if !errors.As(err, &damage) || m.survey == nil {
			return err
		}
		m.report.Damage = append(m.report.Damage, damage)
		if round > roundsPerFile*len(m.survey.files) {
			return fmt.Errorf("repair does not get beyond this: %w", damage)
		}
		if err := m.fix(damage); err != nil {
			return err
		}
	}
}

// check opens and replays the log as it would be.
func (m *mender) check() (err error) {
	if m.survey, err = look(m.patched, m.dir); err != nil {
		return err
	}
	s := m.survey
	r := &m.report
	r.Segments, r.Records, r.Lost = nil, 0, m.lost()
	end, err := s.findEnd()
	if err != nil || len(s.chain) == 0 {
		return err
	}
	r.ID, r.End, r.Durable = s.id.String(), end.last, end.durable
	r.Oldest = oldest(s.chain, end.last)
	r.Tail.File, r.Tail.Offset, r.Tail.Bytes = s.chain[end.seg].name, end.off, end.tailBytes
	at := map[uint64]int{}
	for i, f := range s.files {
		at[f.num] = i
		r.Segments = append(r.Segments, SegmentReport{
			File: f.name, Number: f.num, Base: f.base, Bytes: f.fileSize,
			Damaged: len(m.patched.patches[f.name]) > 0,
		})
	}
	for _, f := range s.chain {
		r.Segments[at[f.num]].InLog = true
	}
	upTo := s.chain[end.seg].base + Position(end.off)
	stop, err := walk(m.patched, s.id, s.chain, upTo, visitor{
		frame: func(seg int, f frame, rec []byte) error {
			file := s.chain[seg]
			if rec != nil {
				r.Records++
				r.Segments[at[file.num]].Records++
			}
			if f.kind == kindLost && len(m.patched.patches[file.name]) == 0 {
				r.Lost = append(r.Lost, Lost{
					After: file.base + Position(f.off), UpTo: file.base + Position(f.next), File: file.name, Before: true,
				})
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	return damageAt(s.chain, stop, upTo)
}

// lost lists the holes that were patched, and the segments that are missing.
func (m *mender) lost() (all []Lost) {
	for _, f := range m.survey.files {
		for _, p := range m.patched.patches[f.name] {
			if p.off >= frameStart && len(p.data) == frameHeader {
				n := binary.LittleEndian.Uint32(p.data[4:])
				all = append(all, Lost{
					After: f.base + Position(p.off), UpTo: f.base + Position(p.off+frameSize(int(n))), File: f.name,
				})
			}
		}
	}
	return append(all, m.missing...)
}

// fix patches one damage.
func (m *mender) fix(d *DamageError) error {
	s := m.survey
	var file *segmentFile
	for _, f := range s.files {
		if f.name == d.File {
			file = f
		}
	}
	switch {
	case !s.known:
		return fmt.Errorf("no segment has a readable header, so that no frame can be told from noise: %w", d)
	case file == nil || d.cause == damageForeign:
		return fmt.Errorf("repair does not choose between two logs; move the files of one away: %w", d)
	case d.cause == damageHeader:
		return m.makeFirst(file)
	case file.fileSize < file.size:
		m.patched.add(file.name, file.size-1, []byte{0})
		return nil
	}
	closed, err := m.closeHole(file, d.Offset, d.cause == damageFollower)
	if err != nil || closed {
		return err
	}
	return m.linkFollower(file, d)
}

// closeHole puts a frame that says "lost" from off to the next intact frame, or
// else to the end of the segment; not that if the rest may well be unused.
func (m *mender) closeHole(file *segmentFile, off int64, unused bool) (bool, error) {
	r, err := file.open(m.patched, m.survey.id)
	if err != nil {
		return false, err
	}
	defer r.file.Close()
	r.off = off + frameHeader
	f, found, err := r.resync(0)
	if err != nil {
		return false, err
	}
	to := f.off
	if !found {
		to = file.size
	}
	n := to - off - frameHeader
	if !found && unused || n < 0 {
		return false, nil
	}
	sum := uint32(0)
	for at := off + frameHeader; at < to; {
		b, err := r.bytes(at, int(min(readChunk, to-at)))
		if err != nil {
			return false, err
		}
		sum = crc32.Update(sum, castagnoli, b)
		at += int64(len(b))
	}
	head := make([]byte, frameHeader)
	putFrameHeader(head, r.seed, off, kindLost, int(n), sum)
	m.patched.add(file.name, off, head)
	return true, nil
}

// linkFollower finds the segment that follows file, where the one that should is
// gone or without headers, and gives it a header that says so.
func (m *mender) linkFollower(file *segmentFile, d *DamageError) error {
	for _, f := range m.survey.files {
		if f.num <= file.num {
			continue
		}
		h := f.header
		if f.state != headerValid {
			ok, err := m.deduce(f, &h)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			h.base = max(h.base, file.base+Position(file.size))
			h.after, h.carried = d.at.last, d.at.carried
		} else if h.prev != file.num {
			h.carried = 0
			h.after = max(h.after, d.at.last)
			m.missing = append(m.missing, Lost{After: d.at.last, UpTo: h.after, File: segmentName(m.dir, h.prev)})
		} else if h.carried != d.at.carried {
			h.carried = 0
		}
		h.prev, h.prevEnd = file.num, d.at.last
		m.putHeader(f, h)
		return nil
	}
	return fmt.Errorf("nothing follows: %w", d)
}

// makeFirst gives a header to a segment before which there is none.
func (m *mender) makeFirst(f *segmentFile) error {
	h := f.header
	if f.state != headerValid {
		if _, err := m.deduce(f, &h); err != nil {
			return err
		}
		for _, next := range m.survey.files {
			if h.base == 0 && next.state == headerValid && next.prev == f.num {
				h.base = next.base - min(next.base, Position(f.fileSize))
			}
		}
		h.after = h.base
	}
	h.prev, h.prevEnd, h.carried = 0, 0, 0
	m.putHeader(f, h)
	return nil
}

// deduce makes up the header of a segment from what else is known. It reports false
// if nothing in the file is of this log.
func (m *mender) deduce(f *segmentFile, h *header) (bool, error) {
	*h = header{id: m.survey.id, number: f.num, size: f.fileSize}
	r, err := f.open(m.patched, m.survey.id)
	if err != nil {
		return false, err
	}
	defer r.file.Close()
	ours := false
	for {
		fr, ok, err := r.resync(0)
		if err != nil || !ok {
			return ours, err
		}
		ours = true
		if mk, ok := decodeMark(fr.data); ok && fr.kind == kindMark {
			h.base = mk.base
			return true, nil
		}
	}
}

func (m *mender) putHeader(f *segmentFile, h header) {
	b := h.encode()
	m.patched.add(f.name, 0, b)
	m.patched.add(f.name, headerCopyAt, b)
}
