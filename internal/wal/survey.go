package wal

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/lullcache/lull/internal/fsys"
)

const (
	segmentSuffix = ".log"
	tempSuffix    = ".tmp" // a segment that is being allocated or repaired
)

func segmentName(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, segmentSuffix))
}

func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && n > 0
}

// segmentFile is a segment as it was found.
type segmentFile struct {
	header
	name     string
	num      uint64 // by the name
	state    headerState
	fileSize int64
	// begins is the position after which a replay can begin here, 0 if it is not
	// known: the end of the record of which carried bytes came before.
	begins Position
}

func (s *segmentFile) open(fs fsys.FS, id logID) (*frameReader, error) {
	file, err := fs.Open(s.name)
	if err != nil {
		return nil, err
	}
	return newFrameReader(file, s.name, seedOf(id, s.num), s.fileSize), nil
}

// survey is what a directory holds, by the headers.
type survey struct {
	fs      fsys.FS
	dir     string
	files   []*segmentFile // by number
	temps   []string
	id      logID
	known   bool           // id is known
	chain   []*segmentFile // the log, oldest first
	durable Position       // the highest durable mark in any header
	above   uint64         // no file has this number or a higher one
	last    *segmentFile   // that Start is yet to remove
}

// look reads the headers of all segments and finds the chain.
func look(fs fsys.FS, dir string) (*survey, error) {
	s := &survey{fs: fs, dir: dir}
	names, err := fs.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, tempSuffix) {
			s.temps = append(s.temps, path)
		}
		num, ok := segmentNumber(name)
		if !ok {
			continue
		}
		f := &segmentFile{name: path, num: num}
		if err := f.readHeader(fs); err != nil {
			return nil, err
		}
		s.files = append(s.files, f)
	}
	sort.Slice(s.files, func(i, j int) bool { return s.files[i].num < s.files[j].num })
	if err := s.agree(); err != nil {
		return nil, err
	}
	s.link()
	return s, nil
}

// readHeader takes the first header or, where it is broken, its copy.
func (s *segmentFile) readHeader(fs fsys.FS) error {
	file, err := fs.Open(s.name)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	defer file.Close()
	if s.fileSize, err = file.Size(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	var b [frameStart]byte
	if _, err = file.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	first, firstState, version := decodeHeader(b[:])
	if firstState == headerNewer {
		return &VersionError{File: s.name, Got: version, Want: formatVersion}
	}
	second, secondState, version := decodeHeader(b[headerCopyAt:])
	if secondState == headerNewer && firstState != headerValid {
		return &VersionError{File: s.name, Got: version, Want: formatVersion}
	}
	s.header, s.state = first, firstState
	if firstState != headerValid && secondState != headerBlank {
		s.header, s.state = second, secondState
	}
	if s.state == headerValid && (s.number != s.num || s.size < segmentBytesMin || s.size > segmentBytesMax) {
		s.state = headerBroken
	}
	return nil
}

// agree checks that all segments are of one log.
func (s *survey) agree() error {
	for _, f := range s.files {
		if f.state != headerValid {
			continue
		}
		if s.known && f.id != s.id {
			return &DamageError{
				File: f.name, Why: fmt.Sprintf("the segment belongs to log %s, those before it to log %s", f.id, s.id),
				cause: damageForeign,
			}
		}
		s.id, s.known = f.id, true
		s.durable = max(s.durable, f.durable)
	}
	return nil
}

// link finds the chain: from the oldest segment, always on to the latest that names
// it as its predecessor.
func (s *survey) link() {
	var at *segmentFile
	for _, f := range s.files {
		if f.state == headerValid {
			at = f
			break
		}
	}
	for at != nil {
		s.chain = append(s.chain, at)
		var next *segmentFile
		for _, f := range s.files {
			if f.state == headerValid && f.prev == at.num && f.num > at.num {
				next = f
			}
		}
		at = next
	}
}

// beginning returns the position after which a replay can begin in chain[0]. If a
// record reaches into that whose end is not known, it is the end of the last record there,
// which is too late at most; there is none if the log goes on there.
func beginning(chain []*segmentFile) (Position, bool) {
	switch first := chain[0]; {
	case first.carried == 0:
		return first.after, true
	case first.begins > 0:
		return first.begins, true
	}
	for _, f := range chain[1:] {
		if f.prevEnd > chain[0].prevEnd {
			return f.prevEnd, true
		}
	}
	return 0, false
}

var errFound = errors.New("found")

// findBeginning looks up where the record ends that reaches into the chain from a
// segment that is gone.
func (s *survey) findBeginning() error {
	if len(s.chain) == 0 || s.chain[0].carried == 0 {
		return nil
	}
	_, err := walk(s.fs, s.id, s.chain, positionMax, visitor{
		frame: func(seg int, f frame, _ []byte) error {
			switch f.kind {
			case kindLast:
				s.chain[0].begins = s.chain[seg].base + Position(f.next)
				return errFound
			case kindRecord, kindFirst:
				return errFound
			}
			return nil
		},
	})
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

// oldest is the beginning of a log that ends at end.
func oldest(chain []*segmentFile, end Position) Position {
	if len(chain) > 0 {
		if p, ok := beginning(chain); ok {
			return p
		}
	}
	return end
}

// ending is where the log ends, by its frames.
type ending struct {
	stop
	durable   Position // the highest durable mark anywhere
	tailBytes int64    // from the stop to the last byte that is not zero
}

// findEnd walks what no header says is durable. The chain is cut behind the segment
// in which the walk stops; if that is below a durable mark it is a *DamageError.
func (s *survey) findEnd() (ending, error) {
	if len(s.chain) == 0 {
		return ending{}, s.checkUnused()
	}
	if err := s.checkFiles(); err != nil {
		return ending{}, err
	}
	first := len(s.chain) - 1
	for first > 0 && (s.chain[first].base > s.durable || s.chain[first].carried > 0) {
		first--
	}
	e := ending{durable: s.durable}
	at, err := walk(s.fs, s.id, s.chain[first:], positionMax, visitor{
		mark: func(m mark) { e.durable = max(e.durable, m.durable) },
	})
	if err != nil {
		return e, err
	}
	at.seg += first
	e.stop = at
	file := s.chain[at.seg]
	if err := s.searchMarks(file.num, at.off, &e); err != nil {
		return e, err
	}
	if e.durable > file.base+Position(at.off) {
		d := &DamageError{File: file.name, Offset: at.off, Why: at.why, at: at}
		if e.durable > file.base+Position(file.size) && at.seg == len(s.chain)-1 {
			d.Why = "the segment that goes on here is missing or its headers are not readable"
			d.cause = damageFollower
		}
		return e, d
	}
	s.chain = s.chain[:at.seg+1]
	return e, s.findBeginning()
}

// checkUnused is for a directory without any valid header: the first segment of a
// log is complete before it is used, so whatever is written here was once valid.
func (s *survey) checkUnused() error {
	for _, f := range s.files {
		file, err := s.fs.Open(f.name)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		end, err := lastByte(file, 0, f.fileSize)
		file.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", f.name, err)
		}
		if end > 0 {
			return &DamageError{File: f.name, Why: whyHeader, cause: damageHeader}
		}
	}
	return nil
}

// checkFiles looks at what needs no frames: that segments are as long as they were,
// and that those before the chain, which a trim left, have a header.
func (s *survey) checkFiles() error {
	for _, f := range s.chain {
		if f.fileSize < f.size {
			why := fmt.Sprintf("the file ends here, its header says at %d", f.size)
			return &DamageError{File: f.name, Offset: f.fileSize, Why: why}
		}
	}
	for _, f := range s.files {
		if f.num < s.chain[0].num && f.state != headerValid {
			return &DamageError{File: f.name, Why: whyHeader, cause: damageHeader}
		}
	}
	return nil
}

const whyHeader = "neither header of the segment is readable"

// searchMarks looks for durable marks that the walk did not come to: in segment num
// from off on, and in all later files. It also measures the tail.
func (s *survey) searchMarks(num uint64, off int64, e *ending) error {
	for _, f := range s.files {
		if f.num < num {
			continue
		}
		r, err := f.open(s.fs, s.id)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		if f.num == num {
			r.off = off
		}
		err = r.searchMarks(e)
		r.file.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *frameReader) searchMarks(e *ending) error {
	from := r.off
	for {
		f, ok, err := r.resync(kindMark)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if m, ok := decodeMark(f.data); ok {
			e.durable = max(e.durable, m.durable)
		}
	}
	end, err := lastByte(r.file, from, r.size)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.name, err)
	}
	e.tailBytes += max(0, end-from)
	return nil
}

// lastByte returns the offset behind the last byte in [from, size) that is not
// zero, from if there is none.
func lastByte(file fsys.File, from, size int64) (int64, error) {
	buf := make([]byte, min(readChunk, max(0, size-from)))
	end := from
	for off := from; off < size; {
		n, err := file.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return end, err
		}
		if !blank(buf[:n]) {
			i := n
			for buf[i-1] == 0 {
				i--
			}
			end = off + int64(i)
		}
		off += int64(n)
	}
	return end, nil
}
